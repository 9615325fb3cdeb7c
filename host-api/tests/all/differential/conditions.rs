//! Random conditions of the policy language: a small grammar, and how it is written.

use koyalite_host_api::tables::Filter;
use koyalite_policy::{ColumnType, ScalarType, Value};
use proptest::prelude::*;
use proptest::sample::select;

use super::values::{ARRAYS, TYPED, nullable, pattern, value};

/// What is compared: parameters are numbered only when the whole is written.
#[derive(Debug, Clone)]
pub(super) enum Operand {
    Column(&'static str),
    Param(Value),
    Call(&'static str, Vec<Operand>),
}

#[derive(Debug, Clone)]
pub(super) enum Condition {
    Boolean,
    Compare(Operand, &'static str, Operand),
    Between(Operand, &'static str, Operand, Operand),
    In(Operand, &'static str, Vec<Value>),
    Any(Operand, &'static str, Vec<Value>),
    Member(Operand, &'static str, &'static str),
    Like(Operand, &'static str, String),
    Null(Operand, &'static str),
    Is(Box<Condition>, &'static str),
    Not(Box<Condition>),
    And(Vec<Condition>),
    Or(Vec<Condition>),
}

const COMPARE: &[&str] = &[
    "=",
    "<>",
    "<",
    "<=",
    ">",
    ">=",
    "is distinct from",
    "is not distinct from",
];

pub(super) fn condition() -> impl Strategy<Value = Condition> {
    atom().prop_recursive(3, 12, 3, |inner| {
        let some = prop::collection::vec(inner.clone(), 2..4);
        let words = [
            "is true",
            "is not true",
            "is false",
            "is not false",
            "is unknown",
        ];
        prop_oneof![
            inner
                .clone()
                .prop_map(|inner| Condition::Not(Box::new(inner))),
            some.clone().prop_map(Condition::And),
            some.prop_map(Condition::Or),
            (inner, select(words.to_vec()))
                .prop_map(|(inner, is)| Condition::Is(Box::new(inner), is)),
        ]
    })
}

fn atom() -> BoxedStrategy<Condition> {
    let like = select(vec!["like", "not like", "ilike", "not ilike"]);
    let by_type = select(TYPED.to_vec()).prop_flat_map(|(name, ty)| typed(name, ty));
    let pattern = (text_operand(), like, pattern());
    // Between an exact and an inexact column the language has no comparison.
    let family = select(vec![
        ["i", "l", "n"],
        ["i", "l", "f"],
        ["s", "i", "n"],
        ["r", "f", "l"],
        ["r", "s", "i"],
    ]);
    let arrays = select(ARRAYS.to_vec()).prop_flat_map(|(name, item)| array(name, item));
    let numbers =
        family.prop_flat_map(|family| (number(family), select(COMPARE.to_vec()), number(family)));
    prop_oneof![
        1 => Just(Condition::Boolean),
        6 => by_type,
        2 => pattern.prop_map(|(item, like, pattern)| Condition::Like(item, like, pattern)),
        2 => arrays,
        2 => numbers.prop_map(|(left, op, right)| Condition::Compare(left, op, right)),
    ]
    .boxed()
}

/// A condition that begins with a column of this type.
fn typed(name: &'static str, ty: ColumnType) -> BoxedStrategy<Condition> {
    let column = move || match ty {
        ColumnType::Text => text_operand(),
        _ => Just(Operand::Column(name)).boxed(),
    };
    let list = || prop::collection::vec(nullable(ty), 1..4);
    let compare = (column(), select(COMPARE.to_vec()), operand(ty));
    let between = (
        column(),
        select(vec!["between", "not between"]),
        operand(ty),
        operand(ty),
    );
    let any = (
        column(),
        select(vec!["= any", "<> all"]),
        prop::collection::vec(nullable(ty), 0..4),
    );
    prop_oneof![
        4 => compare.prop_map(|(left, op, right)| Condition::Compare(left, op, right)),
        1 => between.prop_map(|(item, op, low, high)| Condition::Between(item, op, low, high)),
        1 => (column(), select(vec!["in", "not in"]), list())
            .prop_map(|(item, op, list)| Condition::In(item, op, list)),
        1 => any.prop_map(|(item, op, list)| Condition::Any(item, op, list)),
        1 => (column(), select(vec!["is null", "is not null"]))
            .prop_map(|(item, is)| Condition::Null(item, is)),
    ]
    .boxed()
}

/// A condition on an array: whether it has an item, or is another one.
fn array(name: &'static str, item: ScalarType) -> BoxedStrategy<Condition> {
    let member = (operand(item.into()), select(vec!["= any", "<> all"]));
    let equal = (
        select(vec!["=", "<>", "is distinct from"]),
        value(ColumnType::Array(item)),
    );
    prop_oneof![
        2 => member.prop_map(move |(operand, op)| Condition::Member(operand, op, name)),
        1 => equal.prop_map(move |(op, other)| {
            Condition::Compare(Operand::Column(name), op, Operand::Param(other))
        }),
    ]
    .boxed()
}

fn operand(ty: ColumnType) -> BoxedStrategy<Operand> {
    let same: Vec<_> = TYPED
        .iter()
        .filter(|(_, other)| *other == ty)
        .map(|(name, _)| *name)
        .collect();
    prop_oneof![
        1 => select(same).prop_map(Operand::Column),
        3 => value(ty).prop_map(Operand::Param),
    ]
    .boxed()
}

fn number(family: [&'static str; 3]) -> BoxedStrategy<Operand> {
    let length = select(vec!["t", "t2"])
        .prop_map(|name| Operand::Call("length", vec![Operand::Column(name)]));
    let column = || select(family.to_vec()).prop_map(Operand::Column);
    let fallback =
        column().prop_map(|column| Operand::Call("coalesce", vec![column.clone(), column]));
    prop_oneof![4 => column(), 1 => length, 1 => fallback].boxed()
}

fn text_operand() -> BoxedStrategy<Operand> {
    let column = || select(vec!["t", "t2"]).prop_map(Operand::Column);
    let call = (select(vec!["lower", "upper"]), column())
        .prop_map(|(name, column)| Operand::Call(name, vec![column]));
    let fallback = (column(), value(ColumnType::Text))
        .prop_map(|(column, value)| Operand::Call("coalesce", vec![column, Operand::Param(value)]));
    prop_oneof![4 => column(), 1 => call, 1 => fallback].boxed()
}

impl Condition {
    /// The condition as a guest would send it.
    pub(super) fn render(&self) -> Filter {
        let mut filter = Filter::default();
        self.write(&mut filter);
        filter
    }

    fn write(&self, filter: &mut Filter) {
        filter.text.push('(');
        match self {
            Condition::Boolean => filter.text.push('b'),
            Condition::Compare(left, op, right) => {
                left.write(filter);
                filter.text.push_str(&format!(" {op} "));
                right.write(filter);
            }
            Condition::Between(item, op, low, high) => {
                item.write(filter);
                filter.text.push_str(&format!(" {op} "));
                low.write(filter);
                filter.text.push_str(" and ");
                high.write(filter);
            }
            Condition::In(item, op, list) => {
                item.write(filter);
                filter.text.push_str(&format!(" {op} ("));
                for (index, value) in list.iter().enumerate() {
                    filter.text.push_str(if index == 0 { "" } else { ", " });
                    param(value.clone(), filter);
                }
                filter.text.push(')');
            }
            Condition::Any(item, op, list) => {
                item.write(filter);
                filter.text.push_str(&format!(" {op} ("));
                param(Value::List(list.clone()), filter);
                filter.text.push(')');
            }
            Condition::Member(item, op, array) => {
                item.write(filter);
                filter.text.push_str(&format!(" {op} ({array})"));
            }
            Condition::Like(item, op, pattern) => {
                item.write(filter);
                filter.text.push_str(&format!(" {op} "));
                param(Value::Text(pattern.clone()), filter);
            }
            Condition::Null(item, is) => {
                item.write(filter);
                filter.text.push_str(&format!(" {is}"));
            }
            Condition::Is(inner, is) => {
                inner.write(filter);
                filter.text.push_str(&format!(" {is}"));
            }
            Condition::Not(inner) => {
                filter.text.push_str("not ");
                inner.write(filter);
            }
            Condition::And(all) => joined(all, " and ", filter),
            Condition::Or(any) => joined(any, " or ", filter),
        }
        filter.text.push(')');
    }
}

impl Operand {
    fn write(&self, filter: &mut Filter) {
        match self {
            Operand::Column(name) => filter.text.push_str(name),
            Operand::Param(value) => param(value.clone(), filter),
            Operand::Call(function, args) => {
                filter.text.push_str(&format!("{function}("));
                for (index, arg) in args.iter().enumerate() {
                    filter.text.push_str(if index == 0 { "" } else { ", " });
                    arg.write(filter);
                }
                filter.text.push(')');
            }
        }
    }
}

fn param(value: Value, filter: &mut Filter) {
    filter.params.push(value);
    filter.text.push_str(&format!("${}", filter.params.len()));
}

fn joined(parts: &[Condition], word: &str, filter: &mut Filter) {
    for (index, part) in parts.iter().enumerate() {
        filter.text.push_str(if index == 0 { "" } else { word });
        part.write(filter);
    }
}
