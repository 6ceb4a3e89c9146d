//! What a manifest holds comes back from its bytes, and hints that cannot be followed are refused by name.

#![allow(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;
use protocol::limits::{INTEREST_MARGIN_MAX, INTEREST_REACH_MAX};
use protocol::manifest::{
    ComponentRule, Field, FieldKind, FieldSpec, Interest, Layout, Manifest, Nearness, Reach, Rule, SideField, Sync,
    Visibility,
};

const PLACE: u16 = 2;
const TEAM: u16 = 4;
const SIGNAL: u16 = 6;
const PURSE: u16 = 8;
const PLAN: u16 = 10;

fn spec(name: &str, kind: FieldKind, step: u32) -> FieldSpec {
    FieldSpec { name: name.to_owned(), kind, scale: 1, step }
}

fn layouts() -> Vec<Layout> {
    use FieldKind::{F32, I32, I64, U8, U16, U32};
    let layout = |number, name, visibility, fields: &[(&str, FieldKind, u32)]| {
        let fields = fields.iter().map(|(name, kind, step)| spec(name, *kind, *step));
        Layout::of(number, name, visibility, Sync::Plain, fields)
    };
    vec![
        Layout::entity(),
        layout(
            PLACE,
            "Place",
            Visibility::Everyone,
            &[("x", I32, 4), ("y", I32, 4), ("z", U32, 1), ("angle", F32, 1), ("far", I64, 1)],
        ),
        layout(TEAM, "Team", Visibility::Everyone, &[("team", U8, 1)]),
        layout(SIGNAL, "Signal", Visibility::Everyone, &[("teams", U16, 1), ("tone", FieldKind::I8, 1)]),
        layout(PURSE, "Purse", Visibility::Owner, &[("gold", U32, 1)]),
        layout(PLAN, "Plan", Visibility::Server, &[("way", U8, 1)]),
    ]
}

fn plain() -> Manifest {
    Manifest::new("example", 1, 20_000, layouts(), Vec::new(), &[]).unwrap()
}

fn nearness() -> Nearness {
    Nearness { component: PLACE, axes: vec![0, 1], reach: Reach::Rectangle(vec![40, 24]), margin: 4 }
}

fn full() -> Interest {
    let rule = |component, rule| ComponentRule { component, rule };
    Interest {
        nearness: Some(nearness()),
        side: Some(SideField { component: TEAM, field: 0 }),
        rules: vec![
            rule(PLACE, Rule::Near),
            rule(TEAM, Rule::Team),
            rule(TEAM, Rule::TeamRows),
            rule(SIGNAL, Rule::Audience { field: 0 }),
            rule(PURSE, Rule::Owner),
        ],
    }
}

/// Why these hints are refused.
fn refusal(interest: &Interest) -> String {
    plain().with_interest(interest).unwrap_err().to_string()
}

#[test]
fn hints_and_steps_come_back_from_the_bytes() {
    let radius = Nearness { axes: vec![1, 2, 0], reach: Reach::Radius(INTEREST_REACH_MAX), ..nearness() };
    let widest = Interest { nearness: Some(Nearness { margin: INTEREST_MARGIN_MAX, ..radius }), ..full() };
    for interest in [full(), widest, Interest::default()] {
        let manifest = plain().with_interest(&interest).unwrap();
        assert_eq!(manifest.interest(), Some(&interest));
        let again = Manifest::decode(manifest.bytes()).unwrap();
        assert_eq!(again, manifest);
        assert_eq!(again.layouts(), layouts());
        assert_eq!(again.layouts()[1].fields.iter().map(|field| field.step).collect::<Vec<_>>(), [4, 4, 1, 1, 1]);
    }
    assert_eq!(plain().interest(), None);
}

#[test]
fn hints_may_be_replaced() {
    let first = plain().with_interest(&full()).unwrap();
    let second = first.with_interest(&Interest { rules: Vec::new(), ..full() }).unwrap();
    assert_eq!(second, plain().with_interest(&Interest { rules: Vec::new(), ..full() }).unwrap());
    assert_ne!(first.hash(), second.hash());
}

#[test]
fn what_hints_admit_everything() {
    let always = ComponentRule { component: TEAM, rule: Rule::Always };
    assert!(Interest::default().is_everything());
    assert!(Interest { rules: vec![always], ..Interest::default() }.is_everything());
    assert!(!Interest { nearness: Some(nearness()), ..Interest::default() }.is_everything());
    let owner = ComponentRule { component: TEAM, rule: Rule::Owner };
    assert!(!Interest { rules: vec![owner], ..Interest::default() }.is_everything());
}

#[test]
fn places_that_nobody_could_compare_are_refused() {
    let with = |change: &dyn Fn(&mut Nearness)| {
        let mut near = nearness();
        change(&mut near);
        refusal(&Interest { nearness: Some(near), ..full() })
    };
    let cases = [
        (with(&|near| near.component = 3), "component 3, which is not there"),
        (with(&|near| near.component = PLAN), "names Plan, of which edges do not know"),
        (with(&|near| near.axes = vec![0]), "1 axes; 2 to 3 are allowed"),
        (with(&|near| near.axes = vec![0, 1, 2, 0]), "4 axes; 2 to 3 are allowed"),
        (with(&|near| near.axes = vec![0, 5]), "field 5 of Place, which has 5"),
        (with(&|near| near.axes = vec![1, 1]), "Place.y is two axes at once"),
        (with(&|near| near.axes = vec![0, 3]), "Place.angle, which is F32"),
        (with(&|near| near.axes = vec![0, 4]), "Place.far, which is I64"),
        (with(&|near| near.reach = Reach::Rectangle(vec![1])), "1 reaches for 2 axes"),
        (with(&|near| near.reach = Reach::Rectangle(vec![1, 2, 3])), "3 reaches for 2 axes"),
        (with(&|near| near.reach = Reach::Rectangle(vec![1, 0])), "a reach of 0"),
        (with(&|near| near.reach = Reach::Radius(0)), "a reach of 0"),
        (with(&|near| near.reach = Reach::Radius(INTEREST_REACH_MAX + 1)), "a reach of 1073741825"),
        (with(&|near| near.margin = INTEREST_MARGIN_MAX + 1), "a margin of 1073741825"),
    ];
    for (found, expected) in cases {
        assert!(found.contains(expected), "{found}\nlacks {expected}");
    }
}

#[test]
fn rules_that_nobody_could_follow_are_refused() {
    let with = |rules: &[(u16, Rule)]| {
        let rules = rules.iter().map(|(component, rule)| ComponentRule { component: *component, rule: *rule });
        Interest { rules: rules.collect(), ..full() }
    };
    let without_side = |rule| refusal(&Interest { side: None, ..with(&[(SIGNAL, rule)]) });
    let side_at = |component, field| refusal(&Interest { side: Some(SideField { component, field }), ..full() });
    let cases = [
        (refusal(&with(&[(5, Rule::Always)])), "component 5, which is not there"),
        (refusal(&with(&[(0, Rule::Owner)])), "Entity, which every entity has"),
        (refusal(&with(&[(PLAN, Rule::Always)])), "names Plan, of which edges do not know"),
        (refusal(&with(&[(PURSE, Rule::TeamRows)])), "rows of Purse cannot go to a team"),
        (refusal(&with(&[(SIGNAL, Rule::Audience { field: 1 })])), "Signal.tone, which is I8"),
        (refusal(&with(&[(SIGNAL, Rule::Audience { field: 2 })])), "field 2 of Signal, which has 2"),
        (refusal(&with(&[(SIGNAL, Rule::Always), (TEAM, Rule::Always)])), "out of order"),
        (refusal(&with(&[(TEAM, Rule::Always), (TEAM, Rule::Owner)])), "out of order, or two"),
        (refusal(&with(&[(TEAM, Rule::TeamRows), (TEAM, Rule::Owner)])), "out of order, or two"),
        (without_side(Rule::Team), "Signal has a rule for teams"),
        (without_side(Rule::TeamRows), "Signal has a rule for teams"),
        (refusal(&Interest { nearness: None, ..with(&[(TEAM, Rule::Near)]) }), "Team has rule Near"),
        (side_at(99, 0), "component 99, which is not there"),
        (side_at(TEAM, 1), "field 1 of Team, which has 1"),
        (side_at(PLACE, 3), "Place.angle, which is F32"),
    ];
    for (found, expected) in cases {
        assert!(found.contains(expected), "{found}\nlacks {expected}");
    }
}

#[test]
fn steps_are_for_integers_alone() {
    for kind in [FieldKind::Bool, FieldKind::F32, FieldKind::Entity, FieldKind::Player] {
        let with_step = |step| {
            let odd = Layout::of(1, "Odd", Visibility::Everyone, Sync::Plain, [spec("field", kind, step)]);
            Manifest::new("example", 1, 0, vec![Layout::entity(), odd], Vec::new(), &[])
        };
        let refused = with_step(2).unwrap_err().to_string();
        assert!(refused.contains(&format!("Odd.field is {kind:?} and has a step of 2")), "{refused}");
        assert!(with_step(1).is_ok() && with_step(0).is_ok());
    }
}

#[test]
fn a_manifest_is_read_or_refused_whatever_its_bytes() {
    let bytes = plain().with_interest(&full()).unwrap().bytes().to_vec();
    for at in 0..bytes.len() {
        for flip in [1, 0x80, 0xff] {
            let mut damaged = bytes.clone();
            damaged[at] ^= flip;
            if let Ok(read) = Manifest::decode(&damaged) {
                // What was read can be followed: every place that it names is there.
                let fields = |number| read.layouts()[read.index_of(number).unwrap()].fields.len();
                let interest = read.interest();
                for near in interest.iter().filter_map(|interest| interest.nearness.as_ref()) {
                    assert!(near.axes.iter().all(|axis| usize::from(*axis) < fields(near.component)));
                }
                for rule in interest.iter().flat_map(|interest| &interest.rules) {
                    assert!(
                        !matches!(rule.rule, Rule::Audience { field } if usize::from(field) >= fields(rule.component))
                    );
                }
            }
        }
        assert!(Manifest::decode(&bytes[..at]).is_err(), "{at} of {} bytes", bytes.len());
    }
}

// ---- steps --------------------------------------------------------------------------------------

fn field(kind: FieldKind, step: u32) -> Field {
    Field { name: String::new(), kind, scale: 1, step, offset: 0 }
}

#[test]
fn the_nearest_multiple_is_told_and_of_two_the_one_farther_from_zero() {
    let told = |numbers: [i64; 7]| numbers.map(|number| field(FieldKind::I32, 4).quantise(number));
    assert_eq!(told([0, 1, 2, 3, 4, 5, 6]), [0, 0, 4, 4, 4, 4, 8]);
    assert_eq!(told([0, -1, -2, -3, -4, -5, -6]), [0, 0, -4, -4, -4, -4, -8]);
    let odd = |numbers: [i64; 5]| numbers.map(|number| field(FieldKind::I32, 3).quantise(number));
    assert_eq!(odd([1, 2, -1, -2, -4]), [0, 3, 0, -3, -3]);
}

#[test]
fn what_is_told_is_a_value_of_the_kind() {
    assert_eq!(field(FieldKind::U8, 4).quantise(255), 252);
    assert_eq!(field(FieldKind::I8, 5).quantise(127), 125);
    assert_eq!(field(FieldKind::I8, 5).quantise(-128), -125);
    assert_eq!(field(FieldKind::I8, 64).quantise(-128), -128);
    assert_eq!(field(FieldKind::U8, 300).quantise(255), 0);
    assert_eq!(field(FieldKind::U64, 10).quantise(-1), (u64::MAX - 5) as i64);
    assert_eq!(field(FieldKind::I64, 2).quantise(i64::MIN), i64::MIN);
    assert_eq!(field(FieldKind::I64, u32::MAX).quantise(i64::MIN), -(i64::from(u32::MAX) * 2_147_483_648));
}

fn stepped_kind() -> impl Strategy<Value = FieldKind> {
    use FieldKind::{I8, I16, I32, I64, U8, U16, U32, U64};
    prop::sample::select(vec![U8, U16, U32, U64, I8, I16, I32, I64])
}

/// A number in a row of its own kind, and what the kind makes of it.
fn number_of(kind: FieldKind, bits: u64) -> i64 {
    field(kind, 1).read(&bits.to_le_bytes()[..kind.width()])
}

proptest! {
    #[test]
    fn what_was_told_is_told_as_itself(kind in stepped_kind(), step in 1u32.., bits in any::<u64>(), few in 1u32..300) {
        for step in [step, few] {
            let field = field(kind, step);
            let told = field.quantise(number_of(kind, bits));
            prop_assert_eq!(field.quantise(told), told);
            let mut row = told.to_le_bytes();
            row[kind.width()..].fill(0);
            prop_assert_eq!(field.read(&row[..kind.width()]), told, "a value of its kind");
        }
    }

    /// Checked with wider numbers: nothing nearer is a multiple and a value of the kind.
    #[test]
    fn what_is_told_is_the_nearest_multiple(kind in stepped_kind(), step in 1u32..1_000, bits in any::<u64>()) {
        let field = field(kind, step);
        let wide = |number: i64| if kind == FieldKind::U64 { i128::from(number as u64) } else { i128::from(number) };
        let told = wide(field.quantise(number_of(kind, bits)));
        let (number, step) = (wide(number_of(kind, bits)), i128::from(step));
        let width = 8 * kind.width() as u32;
        let (low, high) = match kind.is_signed() {
            true => (-(1i128 << (width - 1)), (1i128 << (width - 1)) - 1),
            false => (0, (1i128 << width) - 1),
        };
        let around = (number / step - 2..=number / step + 2).map(|multiple| multiple * step);
        let nearest = around
            .filter(|multiple| (low..=high).contains(multiple))
            .min_by_key(|multiple| ((number - multiple).abs(), -multiple.abs()));
        prop_assert_eq!(Some(told), nearest);
    }
}
