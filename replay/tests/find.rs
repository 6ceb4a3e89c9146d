//! Expressions are read rightly or refused with a place, and searches find what looking at each tick finds.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod arena_match;

use std::collections::BTreeSet;
use std::sync::Arc;

use arena::Arena;
use ecs_state::{EntityId, MatchRng, Simulation};
use protocol::Columns;
use protocol::manifest::{FieldKind, Manifest};
use replay::{Expression, Reel, Search, Source, find};

fn manifest() -> Arc<Manifest> {
    Simulation::<Arena>::manifest().unwrap()
}

fn check(source: &Arc<Source>, text: &str, search: Search) -> Vec<u64> {
    let expression = Expression::parse(text, source.manifest(), None).unwrap_or_else(|error| panic!("{text}: {error}"));
    find::<Arena>(source, &expression, search, |_, _| {}).unwrap()
}

/// An expression that the test understands by other means than the library.
#[derive(Debug, Clone)]
enum Question {
    Not(Box<Self>),
    Both(Box<Self>, Box<Self>),
    Either(Box<Self>, Box<Self>),
    Compare(Amount, &'static str, Amount),
    Flag(Field),
    Exists(u32, Option<&'static str>),
    Changed(Field),
    Some(Box<Self>),
    Every(Box<Self>),
}

#[derive(Debug, Clone)]
enum Amount {
    Plain(i32),
    Tick,
    Field(Field),
    Before(Field),
    Of(Box<Self>, char, Box<Self>),
    Count(Box<Question>),
    Total(Box<Self>),
}

/// Of an entity, or of each.
#[derive(Debug, Clone, Copy)]
struct Field(Option<u32>, &'static str, &'static str);

const NUMBERS: [(&str, &str); 8] = [
    ("Health", "points"),
    ("Position", "x"),
    ("Velocity", "y"),
    ("Team", "team"),
    ("Kind", "kind"),
    ("Seat", "avatar"),
    ("Loadout", "ammo"),
    ("Facing", "angle"),
];
const SIGNS: [&str; 6] = ["==", "!=", "<", "<=", ">", ">="];
const ENTITIES: u32 = 30;

fn pick<T: Copy>(rng: &mut MatchRng, list: &[T]) -> T {
    list[rng.below(list.len() as u32) as usize]
}

impl Field {
    fn any(rng: &mut MatchRng, inside: bool) -> Self {
        let (component, field) = pick(rng, &NUMBERS);
        Self((!inside || rng.below(5) == 0).then(|| 1 + rng.below(ENTITIES)), component, field)
    }

    fn text(self) -> String {
        let Self(entity, component, field) = self;
        entity.map_or_else(String::new, |entity| format!("{entity}.")) + component + "." + field
    }

    fn number(self, columns: &Columns, each: u32) -> Option<i64> {
        columns.field(EntityId(self.0.unwrap_or(each)), self.1, self.2)
    }

    fn value(self, columns: &Columns, each: u32) -> Option<f64> {
        let (_, layout) = columns.manifest().layout_of(self.1).unwrap();
        let field = layout.fields.iter().find(|field| field.name == self.2).unwrap();
        assert_ne!(field.kind, FieldKind::F32);
        self.number(columns, each).map(|number| number as f64 / f64::from(field.scale))
    }
}

impl Question {
    fn any(rng: &mut MatchRng, depth: u32, inside: bool) -> Self {
        let deeper = |rng: &mut MatchRng| Box::new(Self::any(rng, depth - 1, inside));
        match rng.below(if depth == 0 { 6 } else { 14 }) {
            0..=2 => Self::Compare(Amount::any(rng, depth, inside), pick(rng, &SIGNS), Amount::any(rng, depth, inside)),
            3 => Self::Flag(Field(Some(1 + rng.below(ENTITIES)), "Loadout", "reloading")),
            4 => Self::Exists(1 + rng.below(3 * ENTITIES), pick(rng, &[None, Some("Health"), Some("Shot")])),
            5 => Self::Changed(Field::any(rng, inside)),
            6 | 7 => Self::Not(deeper(rng)),
            8 => Self::Both(deeper(rng), deeper(rng)),
            9 | 10 => Self::Either(deeper(rng), deeper(rng)),
            _ if inside => Self::Not(deeper(rng)),
            11 | 12 => Self::Some(Box::new(Self::any_inside(rng, depth))),
            _ => Self::Every(Box::new(Self::any_inside(rng, depth))),
        }
    }

    /// Names a component at least.
    fn any_inside(rng: &mut MatchRng, depth: u32) -> Self {
        let (component, field) = pick(rng, &NUMBERS);
        let named =
            Self::Compare(Amount::Field(Field(None, component, field)), pick(rng, &SIGNS), Amount::any(rng, 0, true));
        match rng.below(3) {
            0 => named,
            1 => Self::Both(Box::new(named), Box::new(Self::any(rng, depth - 1, true))),
            _ => Self::Either(Box::new(named), Box::new(Self::any(rng, depth - 1, true))),
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Not(inner) => format!("not ({})", inner.text()),
            Self::Both(left, right) => format!("({} and {})", left.text(), right.text()),
            Self::Either(left, right) => format!("({} or {})", left.text(), right.text()),
            Self::Compare(left, sign, right) => format!("{} {sign} {}", left.text(), right.text()),
            Self::Flag(field) => field.text(),
            Self::Exists(entity, None) => format!("exists({entity})"),
            Self::Exists(entity, Some(component)) => format!("exists({entity}.{component})"),
            Self::Changed(field) => format!("changed({})", field.text()),
            Self::Some(inner) => format!("any({})", inner.text()),
            Self::Every(inner) => format!("all({})", inner.text()),
        }
    }

    fn fields(&self, now: &mut BTreeSet<&'static str>, before: &mut BTreeSet<&'static str>) {
        match self {
            Self::Not(inner) => inner.fields(now, before),
            Self::Both(left, right) | Self::Either(left, right) => {
                left.fields(now, before);
                right.fields(now, before);
            }
            Self::Compare(left, _, right) => {
                left.fields(now, before);
                right.fields(now, before);
            }
            Self::Changed(Field(None, component, _)) => {
                now.insert(component);
                before.insert(component);
            }
            _ => {}
        }
    }

    fn holds(&self, at: &At<'_>, each: u32) -> bool {
        match self {
            Self::Not(inner) => !inner.holds(at, each),
            Self::Both(left, right) => left.holds(at, each) && right.holds(at, each),
            Self::Either(left, right) => left.holds(at, each) || right.holds(at, each),
            Self::Compare(left, sign, right) => {
                let (Some(left), Some(right)) = (left.value(at, each), right.value(at, each)) else { return false };
                let order = left.partial_cmp(&right).unwrap();
                match *sign {
                    "==" => order.is_eq(),
                    "!=" => order.is_ne(),
                    "<" => order.is_lt(),
                    "<=" => order.is_le(),
                    ">" => order.is_gt(),
                    _ => order.is_ge(),
                }
            }
            Self::Flag(field) => field.number(at.now, each) == Some(1),
            Self::Exists(entity, component) => {
                let index = component.map_or(0, |name| at.now.manifest().layout_of(name).unwrap().0);
                at.now.column(index).row(EntityId(*entity)).is_some()
            }
            Self::Changed(field) => {
                at.before.is_some_and(|before| field.number(before, each) != field.number(at.now, each))
            }
            Self::Some(inner) => at.domain(|now, before| inner.fields(now, before)).any(|each| inner.holds(at, each)),
            Self::Every(inner) => at.domain(|now, before| inner.fields(now, before)).all(|each| inner.holds(at, each)),
        }
    }
}

impl Amount {
    fn any(rng: &mut MatchRng, depth: u32, inside: bool) -> Self {
        match rng.below(if depth == 0 { 7 } else { 10 }) {
            0 | 1 => Self::Plain(rng.between(0, 60)),
            2 => Self::Tick,
            3..=5 => Self::Field(Field::any(rng, inside)),
            6 => Self::Before(Field::any(rng, inside)),
            7 => {
                let sides = [0; 2].map(|_| Box::new(Self::any(rng, depth - 1, inside)));
                let [left, right] = sides;
                Self::Of(left, pick(rng, &['+', '-', '*', '/']), right)
            }
            _ if inside => Self::Tick,
            8 => Self::Count(Box::new(Question::any_inside(rng, depth))),
            _ => {
                let (component, field) = pick(rng, &NUMBERS);
                let field = Self::Field(Field(None, component, field));
                Self::Total(Box::new(Self::Of(Box::new(field), '+', Box::new(Self::any(rng, 0, true)))))
            }
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Plain(number) => number.to_string(),
            Self::Tick => "tick".to_owned(),
            Self::Field(field) => field.text(),
            Self::Before(field) => format!("before({})", field.text()),
            Self::Of(left, sign, right) => format!("({} {sign} {})", left.text(), right.text()),
            Self::Count(inner) => format!("count({})", inner.text()),
            Self::Total(inner) => format!("sum({})", inner.text()),
        }
    }

    fn fields(&self, now: &mut BTreeSet<&'static str>, before: &mut BTreeSet<&'static str>) {
        match self {
            Self::Field(Field(None, component, _)) => {
                now.insert(component);
            }
            Self::Before(Field(None, component, _)) => {
                now.insert(component);
                before.insert(component);
            }
            Self::Of(left, _, right) => {
                left.fields(now, before);
                right.fields(now, before);
            }
            _ => {}
        }
    }

    fn value(&self, at: &At<'_>, each: u32) -> Option<f64> {
        match self {
            Self::Plain(number) => Some(f64::from(*number)),
            Self::Tick => Some(at.tick as f64),
            Self::Field(field) => field.value(at.now, each),
            Self::Before(field) => field.value(at.before?, each),
            Self::Of(left, sign, right) => {
                let (left, right) = (left.value(at, each)?, right.value(at, each)?);
                let number = match sign {
                    '+' => left + right,
                    '-' => left - right,
                    '*' => left * right,
                    _ => left / right,
                };
                number.is_finite().then_some(number)
            }
            Self::Count(inner) => {
                let domain = at.domain(|now, before| inner.fields(now, before));
                Some(domain.filter(|each| inner.holds(at, *each)).count() as f64)
            }
            Self::Total(inner) => {
                let domain = at.domain(|now, before| inner.fields(now, before));
                Some(domain.filter_map(|each| inner.value(at, each)).sum())
            }
        }
    }
}

struct At<'a> {
    tick: u64,
    now: &'a Columns,
    before: Option<&'a Columns>,
}

impl At<'_> {
    fn domain(
        &self,
        gather: impl Fn(&mut BTreeSet<&'static str>, &mut BTreeSet<&'static str>),
    ) -> std::collections::btree_set::IntoIter<u32> {
        let (mut now, mut before) = (BTreeSet::new(), BTreeSet::new());
        gather(&mut now, &mut before);
        let mut entities = BTreeSet::new();
        let mut add = |columns: &Columns, names: &BTreeSet<&'static str>| {
            for name in names {
                let index = columns.manifest().layout_of(name).unwrap().0;
                entities.extend(columns.column(index).iter().map(|(id, _)| id.0));
            }
        };
        add(self.now, &now);
        if let Some(columns) = self.before {
            add(columns, &before);
        }
        entities.into_iter()
    }
}

/// Looks at each tick, one after the other.
fn look(source: &Arc<Source>, questions: &[Question]) -> Vec<Vec<u64>> {
    let mut hits = vec![Vec::new(); questions.len()];
    let mut reel = Reel::<Arena>::new(Arc::clone(source)).unwrap();
    let mut before: Option<Columns> = None;
    loop {
        let at = At { tick: reel.tick(), now: reel.columns(), before: before.as_ref() };
        for (hits, question) in hits.iter_mut().zip(questions) {
            if question.holds(&at, 0) {
                hits.push(at.tick);
            }
        }
        before = Some(reel.columns().clone());
        if reel.step().is_none() {
            return hits;
        }
    }
}

#[test]
fn searches_find_what_looking_at_each_tick_finds() {
    let mut decided = 0;
    for seed in 1..=4 {
        let source = arena_match::brawl(seed, 6, 700);
        let mut rng = MatchRng::new(seed, 0, "questions");
        let questions: Vec<_> = (0..60).map(|_| Question::any(&mut rng, 3, false)).collect();
        for (question, hits) in questions.iter().zip(look(&source, &questions)) {
            let text = question.text();
            if text.len() > replay::EXPRESSION_BYTES_MAX {
                continue;
            }
            decided += u32::from(!hits.is_empty() && hits.len() < 701);
            assert_eq!(check(&source, &text, Search { all: true, ..Search::default() }), hits, "seed {seed}: {text}");
            let first: Vec<_> = hits.iter().copied().take(1).collect();
            assert_eq!(check(&source, &text, Search::default()), first, "seed {seed}, first: {text}");
            let (from, to) = (u64::from(rng.below(600)), 300 + u64::from(rng.below(500)));
            let inside: Vec<_> = hits.iter().copied().filter(|tick| (from..=to).contains(tick)).collect();
            let search = Search { from: Some(from), to: Some(to), all: true, is_monotone: false };
            assert_eq!(check(&source, &text, search), inside, "seed {seed}, {from} to {to}: {text}");
        }
    }
    assert!(decided >= 40, "only {decided} of the questions hold at some ticks and not at others");
}

#[test]
fn halving_finds_the_first_tick_of_what_stays_true() {
    let source = arena_match::brawl(9, 6, 1_000);
    let last = source.last_tick();
    for tick in (0..=last).step_by(37).chain([0, 1, last - 1, last]) {
        for text in
            [format!("tick >= {tick}"), format!("tick >= {tick} and before(1.Score.round) >= 0 or tick > {tick}")]
        {
            let search = Search { is_monotone: true, ..Search::default() };
            assert_eq!(check(&source, &text, search), check(&source, &text, Search::default()), "{text}");
        }
    }
    for applied in 1..=40 {
        let text = format!("any(Tally.applied >= {applied})");
        let monotone = check(&source, &text, Search { is_monotone: true, ..Search::default() });
        assert_eq!(monotone, check(&source, &text, Search::default()), "{text}");
    }
    assert!(check(&source, "tick < 0", Search { is_monotone: true, ..Search::default() }).is_empty());
}

#[test]
fn what_is_not_there_compares_with_nothing() {
    let source = arena_match::brawl(3, 2, 30);
    let count = |text: &str| check(&source, text, Search { all: true, ..Search::default() }).len();
    assert_eq!(count("9999.Health.points == 0"), 0);
    assert_eq!(count("9999.Health.points != 0"), 0);
    assert_eq!(count("not 9999.Health.points == 0"), 31);
    assert_eq!(count("9999.Loadout.reloading == false"), 0);
    assert_eq!(count("exists(9999) or exists(9999.Health)"), 0);
    assert_eq!(count("1.Score.round / 0 == 1.Score.round / 0"), 0);
    assert_eq!(count("all(Shot.by != 0)"), 31, "shots have shooters, and of nothing everything is true");
    assert!(check(&source, "changed(1.Score.round)", Search::default()).is_empty(), "nothing is before the first tick");
}

#[test]
fn fields_without_an_entity_are_of_the_one_that_was_named() {
    let source = arena_match::brawl(3, 2, 30);
    let manifest = source.manifest();
    let named = Expression::parse("Score.round == 1 and Score.teams.0 == 0", manifest, Some(EntityId(1))).unwrap();
    assert_eq!(find::<Arena>(&source, &named, Search::default(), |_, _| {}).unwrap(), [0]);
    let error = Expression::parse("Score.round == 1", manifest, None).unwrap_err();
    assert!(error.to_string().contains("of which entity? Write 12.Score.round"), "{error}");
}

#[test]
fn mistakes_are_shown_where_they_are() {
    for (text, column, says) in [
        ("", 1, "something is missing"),
        ("12.Helth.points == 0", 1, "there is no component Helth; there are Entity, Kind"),
        ("1 == 12.Health.point", 6, "Health has no field point; it has points, max, shield"),
        ("12.Health.points = 0", 18, "write `==`"),
        ("1 < 2 && 2 < 3", 7, "write `and`"),
        ("1 < 2 < 3", 7, "do not chain"),
        ("12.Health.points", 1, "compare it with something"),
        ("not 5", 5, "compare it with something"),
        ("(1 < 2", 7, "the parenthesis needs `)` here, found the end"),
        ("1 < 2)", 6, "no parenthesis is open"),
        ("any(1 < 2)", 1, "names no component"),
        ("any(count(Team.team == 1) > 3)", 5, "cannot stand inside"),
        ("some(Team.team == 1)", 1, "there is no `some(…)`; there are any(…)"),
        ("12.Loadout.reloading > true", 22, "no order"),
        ("12.Loadout.reloading == 1", 22, "one side is a number"),
        ("1 + (2 < 3) == 2", 5, "must be a number"),
        ("id == 3", 1, "inside any(…)"),
        ("changed(12)", 9, "takes a field"),
        ("exists(1.5)", 8, "takes an entity or a component"),
        ("99999999999.Health.points == 0", 1, "is no entity"),
        ("1 == 1 2", 8, "join two parts"),
        ("ä", 1, "means nothing here"),
        ("\"ä\" == 1", 1, "means nothing here"),
        ("Health == 1", 1, "name a field of it, as in 12.Health.points"),
        ("12.Health == 1", 1, "a field is missing"),
    ] {
        let error = Expression::parse(text, &manifest(), None).unwrap_err();
        assert_eq!(error.column, column, "{text}: {error}");
        assert!(error.message.contains(says), "{text}: {error}");
    }
    let error = Expression::parse("1 <  ", &manifest(), None).unwrap_err();
    assert_eq!(error.pointed("1 <  ").lines().last().unwrap(), "       ^");
}

#[test]
fn no_text_makes_reading_panic() {
    let manifest = manifest();
    let pieces = [
        "any(",
        "all(",
        "count(",
        "sum(",
        "changed(",
        "before(",
        "exists(",
        "(",
        ")",
        " and ",
        " or ",
        " not ",
        "-",
        "+",
        "*",
        "/",
        "==",
        "<",
        ">=",
        "!=",
        "=",
        "&",
        "tick",
        "id",
        "true",
        "12",
        "0.5",
        "1.",
        ".",
        "12.Health.points",
        "Health.points",
        "Health",
        "12.Health",
        "Team.team",
        "99999999999999999999",
        "1e9",
        "ö",
        "\u{1f480}",
        "\0",
        "\n",
        "_",
    ];
    let mut read = 0;
    for seed in 0..20_000 {
        let mut rng = MatchRng::new(seed, 0, "texts");
        let text: String = (0..rng.below(14))
            .map(|_| match rng.below(12) {
                0 => char::from_u32(rng.below(0x3000)).map_or_else(String::new, String::from),
                _ => pick(&mut rng, &pieces).to_owned(),
            })
            .collect();
        match Expression::parse(&text, &manifest, None) {
            Ok(_) => read += 1,
            Err(error) => assert!((1..=text.chars().count() + 1).contains(&error.column), "{text:?}: {error}"),
        }
    }
    assert!(read > 20, "only {read} texts were expressions");
    for deep in
        ["(".repeat(1_999), "not ".repeat(499), "-".repeat(1_999), "any(".repeat(499), "1+".repeat(999) + "1 > 0"]
    {
        let _ = Expression::parse(&deep, &manifest, None);
    }
    assert!(Expression::parse(&" ".repeat(3_000), &manifest, None).is_err());
}
