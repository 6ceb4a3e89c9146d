//! Who hears of which entity, as a game says it: by types and names of fields, checked when the manifest is made.

use protocol::manifest::{self, ComponentRule, Layout, Nearness, Reach, Rule, SideField};

use crate::{RegistryError, Replicated};

/// Hints for edges, given in [`crate::Game::interest`]. `protocol::manifest::Interest` says what they mean together.
///
/// Edges follow them and run no code of the game. A rule that they cannot express is a component with an
/// [audience](Self::audience), whose bits the game's systems write.
#[derive(Debug, Clone, Default)]
pub struct Interest {
    near: Option<NearHint>,
    margin: u32,
    side: Option<FieldName>,
    rules: Vec<(ComponentName, RuleHint)>,
}

#[derive(Debug, Clone)]
struct NearHint {
    axes: Vec<FieldName>,
    reach: Reach,
}

#[derive(Debug, Clone, Copy)]
struct ComponentName {
    number: u16,
    name: &'static str,
}

#[derive(Debug, Clone, Copy)]
struct FieldName {
    component: ComponentName,
    field: &'static str,
}

#[derive(Debug, Clone, Copy)]
enum RuleHint {
    Plain(Rule),
    Audience(&'static str),
}

impl ComponentName {
    const fn of<T: Replicated>() -> Self {
        Self { number: T::NUMBER, name: T::NAME }
    }

    fn layout(self, layouts: &[Layout]) -> Result<&Layout, RegistryError> {
        let found = layouts.iter().find(|layout| layout.number == self.number && layout.name == self.name);
        found.ok_or_else(|| {
            RegistryError::Interest(format!("{} is not registered: add it in Game::register", self.name))
        })
    }
}

impl FieldName {
    const fn of<T: Replicated>(field: &'static str) -> Self {
        Self { component: ComponentName::of::<T>(), field }
    }

    fn place(self, layouts: &[Layout]) -> Result<u8, RegistryError> {
        let layout = self.component.layout(layouts)?;
        let found = layout.fields.iter().position(|field| field.name == self.field);
        found.map(|place| place as u8).ok_or_else(|| {
            let known: Vec<_> = layout.fields.iter().map(|field| field.name.as_str()).collect();
            RegistryError::Interest(format!(
                "{} has no field {}: name one of {}",
                layout.name,
                self.field,
                if known.is_empty() { "another component's".to_owned() } else { known.join(", ") }
            ))
        })
    }
}

impl Interest {
    /// No hints: everybody hears of everything.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Entities are where these fields of `T` say, two or three of them, and a player hears of what is within
    /// `reach` of any of its own entities. Lengths are in the fields' numbers on the wire: where `scale` or `quantize`
    /// is 256, 256 is one.
    #[must_use]
    pub fn near<T: Replicated>(mut self, axes: &[&'static str], reach: Reach) -> Self {
        self.near = Some(NearHint { axes: axes.iter().map(|field| FieldName::of::<T>(field)).collect(), reach });
        self
    }

    /// What is seen stays so until it is this much beyond the reach, so that what moves along the border does not
    /// come and go. Costs that much more to hear of; 0 when left out.
    #[must_use]
    pub const fn margin(mut self, margin: u32) -> Self {
        self.margin = margin;
        self
    }

    /// Entities are on the side that this field says; those without it on that of their owner.
    #[must_use]
    pub const fn side<T: Replicated>(mut self, field: &'static str) -> Self {
        self.side = Some(FieldName::of::<T>(field));
        self
    }

    /// Who is near hears of entities with a `T`, also where another rule would let more players hear of them.
    #[must_use]
    pub fn near_only<T: Replicated>(self) -> Self {
        self.rule::<T>(RuleHint::Plain(Rule::Near))
    }

    /// Everybody hears of entities with a `T`, wherever they are.
    #[must_use]
    pub fn always<T: Replicated>(self) -> Self {
        self.rule::<T>(RuleHint::Plain(Rule::Always))
    }

    /// Their owner alone hears of entities with a `T`.
    #[must_use]
    pub fn owner_only<T: Replicated>(self) -> Self {
        self.rule::<T>(RuleHint::Plain(Rule::Owner))
    }

    /// Their team alone hears of entities with a `T`, wherever they are.
    #[must_use]
    pub fn team_only<T: Replicated>(self) -> Self {
        self.rule::<T>(RuleHint::Plain(Rule::Team))
    }

    /// Teams whose bit is set in this field hear of entities with a `T`, wherever they are: bit 0 is team 0. The
    /// game's systems write it, and so decide by any rule they like.
    #[must_use]
    pub fn audience<T: Replicated>(self, field: &'static str) -> Self {
        self.rule::<T>(RuleHint::Audience(field))
    }

    /// Their entity's team alone hears of rows of `T`; the rest of the entity is as visible as it is.
    #[must_use]
    pub fn team_rows<T: Replicated>(self) -> Self {
        self.rule::<T>(RuleHint::Plain(Rule::TeamRows))
    }

    fn rule<T: Replicated>(mut self, rule: RuleHint) -> Self {
        self.rules.push((ComponentName::of::<T>(), rule));
        self
    }

    /// The hints by number and place.
    pub(crate) fn resolve(&self, layouts: &[Layout]) -> Result<manifest::Interest, RegistryError> {
        let nearness = self.near.as_ref().map(|near| self.resolve_near(near, layouts)).transpose()?;
        let side = self
            .side
            .map(|side| side.place(layouts).map(|field| SideField { component: side.component.number, field }));
        let mut rules = Vec::with_capacity(self.rules.len());
        for (component, rule) in &self.rules {
            component.layout(layouts)?;
            let rule = match rule {
                RuleHint::Plain(rule) => *rule,
                RuleHint::Audience(field) => {
                    Rule::Audience { field: FieldName { component: *component, field }.place(layouts)? }
                }
            };
            rules.push(ComponentRule { component: component.number, rule });
        }
        rules.sort_by_key(|rule| (rule.component, rule.rule == Rule::TeamRows));
        Ok(manifest::Interest { nearness, side: side.transpose()?, rules })
    }

    fn resolve_near(&self, near: &NearHint, layouts: &[Layout]) -> Result<Nearness, RegistryError> {
        let component = near.axes.first().map(|axis| axis.component).ok_or_else(|| {
            RegistryError::Interest("a place without axes: name two or three fields of the component".to_owned())
        })?;
        let axes = near.axes.iter().map(|axis| axis.place(layouts)).collect::<Result<_, _>>()?;
        Ok(Nearness { component: component.number, axes, reach: near.reach.clone(), margin: self.margin })
    }
}
