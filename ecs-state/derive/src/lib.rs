//! `#[derive(Replicated)]`: codec, hash and manifest entry of a component from one struct.
//!
//! On the struct: `#[replicated(number = 3, visibility = "everyone" | "owner" | "server",
//! sync = "plain" | "interpolate" | "predict")]`; the number is required and must never be given
//! to another component. On a field: `scale = N` (an integer that means itself divided by N) or
//! `quantize = N` (an `f32` that travels, is hashed and survives a keyframe as a multiple of 1/N);
//! with either or neither, `step = N` (players may be told the nearest multiple of N of the number that travels,
//! while state, hashes and keyframes keep the number itself).

use proc_macro::TokenStream;
use proc_macro2::TokenStream as Tokens;
use quote::quote;
use syn::{Data, DeriveInput, Error, Fields, Ident, LitInt, LitStr, Result, Type, parse_macro_input};

/// See the crate's documentation.
#[proc_macro_derive(Replicated, attributes(replicated))]
pub fn derive_replicated(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    expand(&input).unwrap_or_else(Error::into_compile_error).into()
}

#[derive(Default)]
struct Options {
    number: Option<LitInt>,
    visibility: Option<Ident>,
    sync: Option<Ident>,
}

#[derive(Default)]
struct FieldOptions {
    scale: Option<LitInt>,
    quantize: Option<LitInt>,
    step: Option<LitInt>,
}

fn expand(input: &DeriveInput) -> Result<Tokens> {
    let options = struct_options(input)?;
    let name = &input.ident;
    let text = name.to_string();
    let number = options.number.ok_or_else(|| {
        Error::new_spanned(
            name,
            "give the component a stable number: #[replicated(number = 1)]; 0 is the entity itself",
        )
    })?;
    if number.base10_parse::<u16>()? == 0 {
        return Err(Error::new_spanned(number, "number 0 is the entity itself; numbers of components start at 1"));
    }
    let visibility = options.visibility.unwrap_or_else(|| Ident::new("Everyone", name.span()));
    let sync = options.sync.unwrap_or_else(|| Ident::new("Plain", name.span()));
    let fields = fields_of(input)?;
    let (mut widths, mut describe, mut put, mut take) = (vec![], vec![], vec![], vec![]);
    for Field { accessor, label, ty, options } in &fields {
        let step = options.step.as_ref().map_or_else(|| quote!(1), |step| quote!(#step));
        if let Some(steps) = &options.quantize {
            widths.push(quote!(4));
            describe.push(quote! {
                <i32 as ::ecs_state::field::FieldValue>::describe(#label, #steps, #step, &mut out);
            });
            put.push(quote!(::ecs_state::field::put_quantized(self.#accessor, #steps, row);));
            take.push(quote!(#accessor: ::ecs_state::field::take_quantized(&mut row, #steps)));
        } else {
            let scale = options.scale.as_ref().map_or_else(|| quote!(1), |scale| quote!(#scale));
            widths.push(quote!(<#ty as ::ecs_state::field::FieldValue>::WIDTH));
            describe.push(quote! {
                <#ty as ::ecs_state::field::FieldValue>::describe(#label, #scale, #step, &mut out);
            });
            put.push(quote!(::ecs_state::field::FieldValue::put(&self.#accessor, row);));
            take.push(quote!(#accessor: ::ecs_state::field::FieldValue::take(&mut row)));
        }
    }
    let unused = if fields.is_empty() { quote!(let _ = (&mut row, 0);) } else { quote!() };
    let unused_out = if fields.is_empty() { quote!(let _ = row;) } else { quote!() };
    Ok(quote! {
        impl ::ecs_state::Replicated for #name {
            const NUMBER: u16 = #number;
            const NAME: &'static str = #text;
            const VISIBILITY: ::ecs_state::field::Visibility = ::ecs_state::field::Visibility::#visibility;
            const SYNC: ::ecs_state::field::Sync = ::ecs_state::field::Sync::#sync;
            const WIDTH: usize = 0 #(+ #widths)*;

            fn describe() -> ::std::vec::Vec<::ecs_state::field::FieldSpec> {
                #[allow(unused_mut)]
                let mut out = ::std::vec::Vec::new();
                #(#describe)*
                out
            }

            #[inline]
            fn put(&self, row: &mut ::std::vec::Vec<u8>) {
                #unused_out
                #(#put)*
            }

            #[inline]
            fn take(mut row: &[u8]) -> Self {
                #unused
                Self { #(#take),* }
            }
        }
    })
}

struct Field<'a> {
    accessor: Tokens,
    label: String,
    ty: &'a Type,
    options: FieldOptions,
}

fn fields_of(input: &DeriveInput) -> Result<Vec<Field<'_>>> {
    let Data::Struct(data) = &input.data else {
        return Err(Error::new_spanned(&input.ident, "only structs are replicated; put an enum into a u8 field"));
    };
    let fields = match &data.fields {
        Fields::Named(named) => &named.named,
        Fields::Unnamed(unnamed) => &unnamed.unnamed,
        Fields::Unit => return Ok(Vec::new()),
    };
    fields
        .iter()
        .enumerate()
        .map(|(index, field)| {
            let (accessor, label) = match &field.ident {
                Some(ident) => (quote!(#ident), ident.to_string()),
                None => {
                    let index = syn::Index::from(index);
                    (quote!(#index), if fields.len() == 1 { "value".to_owned() } else { format!("v{}", index.index) })
                }
            };
            Ok(Field { accessor, label, ty: &field.ty, options: field_options(field)? })
        })
        .collect()
}

fn struct_options(input: &DeriveInput) -> Result<Options> {
    let mut options = Options::default();
    for attribute in input.attrs.iter().filter(|attribute| attribute.path().is_ident("replicated")) {
        attribute.parse_nested_meta(|meta| {
            if meta.path.is_ident("number") {
                options.number = Some(meta.value()?.parse()?);
            } else if meta.path.is_ident("visibility") {
                options.visibility = Some(choice(&meta, &["Everyone", "Owner", "Server"])?);
            } else if meta.path.is_ident("sync") {
                options.sync = Some(choice(&meta, &["Plain", "Interpolate", "Predict"])?);
            } else {
                return Err(meta.error("known here: number, visibility, sync"));
            }
            Ok(())
        })?;
    }
    Ok(options)
}

fn field_options(field: &syn::Field) -> Result<FieldOptions> {
    let mut options = FieldOptions::default();
    for attribute in field.attrs.iter().filter(|attribute| attribute.path().is_ident("replicated")) {
        attribute.parse_nested_meta(|meta| {
            if meta.path.is_ident("scale") {
                options.scale = Some(meta.value()?.parse()?);
            } else if meta.path.is_ident("quantize") {
                options.quantize = Some(meta.value()?.parse()?);
            } else if meta.path.is_ident("step") {
                options.step = Some(positive(meta.value()?.parse()?)?);
            } else {
                return Err(meta.error("known here: scale, quantize, step"));
            }
            Ok(())
        })?;
    }
    Ok(options)
}

fn positive(number: LitInt) -> Result<LitInt> {
    match number.base10_parse::<u32>()? {
        0 => Err(Error::new_spanned(number, "a step is at least 1, which is every number")),
        _ => Ok(number),
    }
}

fn choice(meta: &syn::meta::ParseNestedMeta<'_>, known: &[&str]) -> Result<Ident> {
    let text: LitStr = meta.value()?.parse()?;
    known
        .iter()
        .find(|word| word.eq_ignore_ascii_case(&text.value()))
        .map(|word| Ident::new(word, text.span()))
        .ok_or_else(|| Error::new_spanned(&text, format!("one of: {}", known.join(", ").to_lowercase())))
}
