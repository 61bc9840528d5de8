//! Predicates compiled: paths parsed, cheap tests first; then bound to one partition's columns.

use std::cmp::Ordering;
use std::str::FromStr;

use super::number::Number;
use super::path::{Found, Path, PathError, Resolved};
use super::predicate::{Comparison, Literal, Predicate};
use crate::chain::{Cell, Names, Row};

/// What a test looks at.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Operand {
    Actor,
    Part(Path),
}

/// A predicate whose paths are parsed and whose tests are in order of their cost.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Filter {
    Compare(Operand, Comparison, Literal),
    In(Operand, Vec<Literal>),
    IsNull(Operand),
    All(Vec<Filter>),
    Any(Vec<Filter>),
    Not(Box<Filter>),
}

impl FromStr for Operand {
    type Err = PathError;

    fn from_str(path: &str) -> Result<Self, PathError> {
        if path == "actor" { Ok(Self::Actor) } else { path.parse().map(Self::Part) }
    }
}

impl Filter {
    /// Compiles a predicate, or says what is wrong with it.
    pub(crate) fn compile(predicate: &Predicate) -> Result<Self, String> {
        Ok(match predicate {
            Predicate::Compare { path, op, value } => Self::Compare(operand(path)?, *op, literal(value)?),
            Predicate::In { path, values } if values.is_empty() => {
                return Err(format!("compares {path} with no value; list at least one"));
            }
            Predicate::In { path, values } => {
                Self::In(operand(path)?, values.iter().map(literal).collect::<Result<_, _>>()?)
            }
            Predicate::IsNull { path } => Self::IsNull(operand(path)?),
            Predicate::All(parts) => Self::All(Self::cheap_first(parts)?),
            Predicate::Any(parts) => Self::Any(Self::cheap_first(parts)?),
            Predicate::Not(part) => Self::Not(Box::new(Self::compile(part)?)),
        })
    }

    /// Of equal cost in the order given. The order changes no outcome: both `all` and `any` may look at their parts in any.
    fn cheap_first(parts: &[Predicate]) -> Result<Vec<Self>, String> {
        let mut parts = parts.iter().map(Self::compile).collect::<Result<Vec<_>, _>>()?;
        parts.sort_by_key(Self::cost);
        Ok(parts)
    }

    /// Roughly what it takes: looking a column up costs more than the verb, and text more than numbers.
    fn cost(&self) -> u32 {
        let operand = |operand: &Operand| match operand {
            Operand::Actor | Operand::Part(Path::Verb | Path::Object) => 1,
            Operand::Part(Path::Attribute(..)) => 2,
        };
        let literal = |literal: &Literal| if matches!(literal, Literal::Text(_)) { 2 } else { 1 };
        match self {
            Self::IsNull(of) => operand(of),
            Self::Compare(of, _, value) => operand(of) + literal(value),
            Self::In(of, values) => operand(of) + values.iter().map(literal).sum::<u32>(),
            Self::All(parts) | Self::Any(parts) => parts.iter().map(Self::cost).sum(),
            Self::Not(part) => part.cost(),
        }
    }

    /// The paths it looks at.
    pub(crate) fn paths(&self) -> Vec<&Path> {
        match self {
            Self::Compare(Operand::Part(path), ..) | Self::In(Operand::Part(path), _) => vec![path],
            Self::IsNull(Operand::Part(path)) => vec![path],
            Self::Compare(..) | Self::In(..) | Self::IsNull(_) => Vec::new(),
            Self::All(parts) | Self::Any(parts) => parts.iter().flat_map(Self::paths).collect(),
            Self::Not(part) => part.paths(),
        }
    }

    /// Binds it to an actor and its partition's columns.
    pub(crate) fn bind<'a>(&'a self, actor: &'a str, names: &Names) -> Test<'a> {
        let source = |operand: &'a Operand| match operand {
            Operand::Actor => Source::Actor(actor),
            Operand::Part(path) => Source::Part(path.resolve(names)),
        };
        let all = |parts: &'a [Self]| parts.iter().map(|part| part.bind(actor, names)).collect();
        match self {
            Self::Compare(of, op, value) => Test::Compare(source(of), *op, value),
            Self::In(of, values) => Test::In(source(of), values),
            Self::IsNull(of) => Test::IsNull(source(of)),
            Self::All(parts) => Test::All(all(parts)),
            Self::Any(parts) => Test::Any(all(parts)),
            Self::Not(part) => Test::Not(Box::new(part.bind(actor, names))),
        }
    }
}

fn operand(path: &str) -> Result<Operand, String> {
    path.parse().map_err(|error: PathError| format!("is wrong: {error} (or actor for its id)"))
}

fn literal(value: &Literal) -> Result<Literal, String> {
    match value {
        Literal::Float(value) if !value.is_finite() => {
            Err("compares with NaN or infinity; use a finite number".to_owned())
        }
        value => Ok(value.clone()),
    }
}

/// A filter during one evaluation.
#[derive(Debug)]
pub(crate) enum Test<'a> {
    Compare(Source<'a>, Comparison, &'a Literal),
    In(Source<'a>, &'a [Literal]),
    IsNull(Source<'a>),
    All(Vec<Test<'a>>),
    Any(Vec<Test<'a>>),
    Not(Box<Test<'a>>),
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Source<'a> {
    Actor(&'a str),
    Part(Resolved),
}

impl Test<'_> {
    /// Whether the action is taken.
    pub(crate) fn passes(&self, verb: &str, row: Row<'_>) -> bool {
        self.truth(verb, row) == Some(true)
    }

    /// True, false, or `None` for unknown.
    fn truth(&self, verb: &str, row: Row<'_>) -> Option<bool> {
        match self {
            Self::Compare(of, op, value) => compare(of.find(verb, row), value).and_then(|found| found.is(*op)),
            Self::In(of, values) => {
                let found = of.find(verb, row);
                values.iter().filter_map(|value| compare(found, value)?.is(Comparison::Eq)).reduce(|a, b| a || b)
            }
            Self::IsNull(of) => Some(matches!(of.find(verb, row), Found::Missing)),
            Self::All(parts) => decide(parts.iter().map(|part| part.truth(verb, row)), false),
            Self::Any(parts) => decide(parts.iter().map(|part| part.truth(verb, row)), true),
            Self::Not(part) => part.truth(verb, row).map(|truth| !truth),
        }
    }
}

/// `decisive` as soon as a part is; otherwise unknown if any is unknown.
fn decide(parts: impl Iterator<Item = Option<bool>>, decisive: bool) -> Option<bool> {
    let mut outcome = Some(!decisive);
    for part in parts {
        match part {
            Some(part) if part == decisive => return Some(decisive),
            Some(_) => {}
            None => outcome = None,
        }
    }
    outcome
}

impl<'a> Source<'a> {
    fn find<'r>(self, verb: &'r str, row: Row<'r>) -> Found<'r>
    where
        'a: 'r,
    {
        match self {
            Self::Actor(actor) => Found::Text(actor),
            Self::Part(resolved) => resolved.find(verb, row),
        }
    }
}

/// How a value compares with another of its kind.
#[derive(Clone, Copy, Debug)]
enum Compared {
    Ordered(Ordering),
    /// Truth values have no order.
    Equal(bool),
}

impl Compared {
    fn is(self, op: Comparison) -> Option<bool> {
        let ordering = match self {
            Self::Ordered(ordering) => ordering,
            Self::Equal(equal) => {
                return match op {
                    Comparison::Eq => Some(equal),
                    Comparison::Ne => Some(!equal),
                    _ => None,
                };
            }
        };
        Some(match op {
            Comparison::Eq => ordering.is_eq(),
            Comparison::Ne => ordering.is_ne(),
            Comparison::Lt => ordering.is_lt(),
            Comparison::Le => ordering.is_le(),
            Comparison::Gt => ordering.is_gt(),
            Comparison::Ge => ordering.is_ge(),
        })
    }
}

/// `None` where the value is missing or of another kind.
fn compare(found: Found<'_>, literal: &Literal) -> Option<Compared> {
    match (found, literal) {
        (Found::Text(text), Literal::Text(other)) => Some(Compared::Ordered(text.cmp(other))),
        (Found::Cell(Cell::Text(text)), Literal::Text(other)) => Some(Compared::Ordered(text.cmp(other))),
        (Found::Cell(Cell::Bool(value)), Literal::Bool(other)) => Some(Compared::Equal(value == *other)),
        (found, Literal::Int(other)) => number(found, Number::Int(*other)),
        (found, Literal::Float(other)) => number(found, Number::Float(*other)),
        _ => None,
    }
}

fn number(found: Found<'_>, other: Number) -> Option<Compared> {
    Number::of(found).map(|number| Compared::Ordered(number.cmp_value(other)))
}

#[cfg(test)]
mod tests {
    use nowfold_core::time::{Timestamp, hours};
    use nowfold_schemas::action::{Action, Attribute};

    use super::super::predicate::{all, any, attr, not};
    use super::*;
    use crate::chain::{Appended, ChainConfig, EventChains, Place};

    /// Of an action with `object.x` as given, if at all.
    fn truth(predicate: &Predicate, x: Option<Attribute>) -> Option<bool> {
        let chains = EventChains::new(ChainConfig::new(hours(1)));
        let mut action = Action::new("m", "view", "o").at_ms(1).id("id");
        if let Some(x) = x {
            action = action.object_attribute("x", x);
        }
        chains.apply(&action, Appended::new(0, Timestamp::from_millis(1)));
        let filter = Filter::compile(predicate).unwrap();
        chains.read("m", |view| {
            let verb = &view.chains[0];
            let (_, row) = verb.chain.get(Place::default()).unwrap();
            filter.bind("m", view.names).truth(verb.verb, row)
        })
    }

    #[test]
    fn comparisons_with_missing_or_other_kinds_are_unknown() {
        let x = || attr("object.x");
        let cases = [
            (x().eq(5), Some(Attribute::Int(5)), Some(true)),
            (x().eq(5), Some(Attribute::Float(5.0)), Some(true)),
            (x().ne(5), None, None),
            (not(x().ne(5)), None, None),
            (x().eq("5"), Some(Attribute::Int(5)), None),
            (x().lt(5.5), Some(Attribute::Int(5)), Some(true)),
            (x().ge("b"), Some("a".into()), Some(false)),
            (x().eq(true), Some(Attribute::Bool(true)), Some(true)),
            (x().lt(true), Some(Attribute::Bool(false)), None),
            (x().is_null(), None, Some(true)),
            (not(x().is_null()), None, Some(false)),
            (x().is_in([1, 5]), Some(Attribute::Int(5)), Some(true)),
            (x().is_in([1, 2]), Some(Attribute::Int(5)), Some(false)),
            (x().is_in(["a"]), Some(Attribute::Int(5)), None),
            (x().between(1, 5), Some(Attribute::Int(5)), Some(true)),
            (attr("verb").eq("view"), None, Some(true)),
            (attr("object").gt("o"), None, Some(false)),
            (attr("actor").eq("m"), None, Some(true)),
        ];
        for (predicate, x, expected) in cases {
            assert_eq!(truth(&predicate, x.clone()), expected, "{predicate:?} of {x:?}");
        }
    }

    #[test]
    fn all_and_any_follow_the_logic_of_sql() {
        let (yes, no, unknown) = (attr("verb").eq("view"), attr("verb").eq("buy"), attr("object.x").eq(1));
        let cases = [
            (all([]), Some(true)),
            (any([]), Some(false)),
            (all([yes.clone(), unknown.clone()]), None),
            (all([unknown.clone(), no.clone()]), Some(false)),
            (any([unknown.clone(), yes.clone()]), Some(true)),
            (any([no, unknown.clone()]), None),
            (not(all([yes, unknown])), None),
        ];
        for (predicate, expected) in cases {
            assert_eq!(truth(&predicate, None), expected, "{predicate:?}");
        }
    }

    #[test]
    fn cheap_tests_come_first() {
        let predicate = all([attr("object.x").is_in(["a", "b"]), attr("object.x").gt(1), attr("verb").eq("view")]);
        let Ok(Filter::All(parts)) = Filter::compile(&predicate) else { panic!("not compiled") };
        assert!(parts.iter().map(Filter::cost).is_sorted());
        assert!(matches!(parts[2], Filter::In(..)));
    }

    #[test]
    fn says_what_is_wrong() {
        let cases = [
            (attr("price").eq(1), "\"price\" is not a path"),
            (attr("verb").is_in::<&str>([]), "compares verb with no value"),
            (not(attr("object.x").lt(f64::NAN)), "NaN"),
        ];
        for (predicate, expected) in cases {
            let error = Filter::compile(&predicate).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }
}
