//! Liquid, as far as the campaigns of a chat use it: output with filters, `assign`, `if`, and `abort_message`.
//!
//! A value goes into the text as it is: nothing is escaped that no filter escapes. What the renderer does not know, it
//! refuses when the template is read, where the real one would send nothing or the tag itself.

mod parse;

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::Value;

use super::super::phone::json_escape;
use parse::Parser;

/// A template that was read.
#[derive(Clone, Debug)]
pub(super) struct Template(Vec<Node>);

/// Why a template cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiquidError(pub(super) String);

impl std::fmt::Display for LiquidError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for LiquidError {}

/// What came out of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Rendered {
    /// The text.
    Text(String),
    /// The template said that nothing is to be sent, and why.
    Aborted(String),
}

#[derive(Clone, Debug)]
enum Node {
    Text(String),
    Output(Expression),
    Assign(String, Expression),
    /// The branches in order; the one of `else` has no condition.
    If(Vec<(Option<Condition>, Vec<Node>)>),
    Abort(String),
}

#[derive(Clone, Debug)]
struct Expression {
    operand: Operand,
    filters: Vec<(Filter, Vec<Operand>)>,
}

#[derive(Clone, Debug, PartialEq)]
enum Operand {
    Literal(Value),
    /// Nothing, or white space alone.
    Blank,
    /// A tag of Braze's, such as `whats_app.${inbound_message_body}`, or a name that `assign` gave.
    Named(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Filter {
    Append,
    Default,
    Downcase,
    JsonEscape,
    Prepend,
    Replace,
    Split,
    Strip,
    Upcase,
}

impl Filter {
    /// Every filter there is, with the number of its arguments.
    const ALL: [(&'static str, Self, usize); 9] = [
        ("append", Self::Append, 1),
        ("default", Self::Default, 1),
        ("downcase", Self::Downcase, 0),
        ("json_escape", Self::JsonEscape, 0),
        ("prepend", Self::Prepend, 1),
        ("replace", Self::Replace, 2),
        ("split", Self::Split, 1),
        ("strip", Self::Strip, 0),
        ("upcase", Self::Upcase, 0),
    ];
}

#[derive(Clone, Debug)]
enum Condition {
    Is(Operand),
    Compared(Operand, Comparison, Operand),
    And(Box<Condition>, Box<Condition>),
    Or(Box<Condition>, Box<Condition>),
}

#[derive(Clone, Copy, Debug)]
enum Comparison {
    Equal,
    Unequal,
    Contains,
}

/// Gives the value of one of Braze's tags; `null` where there is none.
pub(super) type Tags<'a> = &'a dyn Fn(&str) -> Value;

impl Template {
    /// Reads a template.
    pub(super) fn read(text: &str) -> Result<Self, LiquidError> {
        Parser::new(text).read().map(Self)
    }

    /// Renders it.
    pub(super) fn render(&self, tags: Tags) -> Rendered {
        let mut out = String::new();
        let mut scope = Scope {
            tags,
            names: BTreeMap::new(),
        };
        match scope.render(&self.0, &mut out) {
            Ok(()) => Rendered::Text(out),
            Err(Aborted(reason)) => Rendered::Aborted(reason),
        }
    }
}

struct Aborted(String);

struct Scope<'a> {
    tags: Tags<'a>,
    names: BTreeMap<String, Value>,
}

impl Scope<'_> {
    fn render(&mut self, nodes: &[Node], out: &mut String) -> Result<(), Aborted> {
        for node in nodes {
            match node {
                Node::Text(text) => out.push_str(text),
                Node::Output(expression) => out.push_str(&shown(&self.value(expression))),
                Node::Assign(name, expression) => {
                    let value = self.value(expression);
                    self.names.insert(name.clone(), value);
                }
                Node::If(branches) => {
                    let taken = branches.iter().find(|(condition, _)| {
                        condition
                            .as_ref()
                            .is_none_or(|condition| self.holds(condition))
                    });
                    if let Some((_, nodes)) = taken {
                        self.render(nodes, out)?;
                    }
                }
                Node::Abort(reason) => return Err(Aborted(reason.clone())),
            }
        }
        Ok(())
    }

    fn value(&self, expression: &Expression) -> Value {
        let operand = self.operand(&expression.operand);
        expression
            .filters
            .iter()
            .fold(operand, |value, (filter, arguments)| {
                let argument = |place: usize| {
                    let argument = arguments.get(place).map(|operand| self.operand(operand));
                    shown(&argument.unwrap_or_default())
                };
                filtered(*filter, &value, argument)
            })
    }

    fn operand(&self, operand: &Operand) -> Value {
        match operand {
            Operand::Literal(value) => value.clone(),
            Operand::Blank => Value::Null,
            Operand::Named(name) => match self.names.get(name) {
                Some(value) => value.clone(),
                None => (self.tags)(name),
            },
        }
    }

    fn holds(&self, condition: &Condition) -> bool {
        match condition {
            Condition::Is(operand) => {
                !matches!(self.operand(operand), Value::Null | Value::Bool(false))
            }
            Condition::Compared(left, how, right) => self.compared(left, *how, right),
            Condition::And(one, other) => self.holds(one) && self.holds(other),
            Condition::Or(one, other) => self.holds(one) || self.holds(other),
        }
    }

    fn compared(&self, left: &Operand, how: Comparison, right: &Operand) -> bool {
        let value = self.operand(left);
        let equal = || match right {
            Operand::Blank => shown(&value).trim().is_empty(),
            right => shown(&value) == shown(&self.operand(right)),
        };
        match how {
            Comparison::Equal => equal(),
            Comparison::Unequal => !equal(),
            Comparison::Contains => {
                let wanted = shown(&self.operand(right));
                match &value {
                    Value::Array(items) => items.iter().any(|item| shown(item) == wanted),
                    value => shown(value).contains(&wanted),
                }
            }
        }
    }
}

fn filtered(filter: Filter, value: &Value, argument: impl Fn(usize) -> String) -> Value {
    let text = shown(value);
    match filter {
        Filter::Append => (text + &argument(0)).into(),
        Filter::Default if text.is_empty() => argument(0).into(),
        Filter::Default => value.clone(),
        Filter::Downcase => text.to_lowercase().into(),
        Filter::JsonEscape => json_escape(&text).into(),
        Filter::Prepend => (argument(0) + &text).into(),
        Filter::Replace => text.replace(&argument(0), &argument(1)).into(),
        Filter::Split => text.split(&argument(0)).map(Value::from).collect(),
        Filter::Strip => text.trim().into(),
        Filter::Upcase => text.to_uppercase().into(),
    }
}

/// Prints a value; what is not there prints as nothing.
fn shown(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(shown).collect(),
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => {
            let mut out = String::new();
            // Writing to a string cannot fail.
            let _ = write!(out, "{value}");
            out
        }
    }
}

#[cfg(test)]
mod tests;
