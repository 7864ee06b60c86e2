//! Reading a template.

use serde_json::Value;

use super::{Comparison, Condition, Expression, Filter, LiquidError, Node, Operand};

/// How deep conditions may stand in one another: no template of a campaign comes near.
const DEPTH_MAX: usize = 16;

/// What stands between the parts of a template's text.
enum Piece<'a> {
    Text(&'a str),
    Output(&'a str),
    Tag(&'a str),
}

pub(super) struct Parser<'a> {
    rest: &'a str,
}

/// Where a run of nodes ended.
enum End {
    Elsif(Condition),
    Else,
    Endif,
    Template,
}

impl<'a> Parser<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { rest: text }
    }

    /// Reads all of it.
    pub(super) fn read(mut self) -> Result<Vec<Node>, LiquidError> {
        match self.nodes(0)? {
            (nodes, End::Template) => Ok(nodes),
            _ => Err(wrong("a tag ends an `if` that was not begun")),
        }
    }

    fn nodes(&mut self, depth: usize) -> Result<(Vec<Node>, End), LiquidError> {
        let mut nodes = Vec::new();
        while let Some(piece) = self.piece()? {
            match piece {
                Piece::Text(text) => nodes.push(Node::Text(text.to_owned())),
                Piece::Output(text) => nodes.push(Node::Output(expression(text)?)),
                Piece::Tag(tag) => {
                    let (name, rest) = tag.split_once(char::is_whitespace).unwrap_or((tag, ""));
                    match name {
                        "assign" => nodes.push(assign(rest)?),
                        "if" if depth < DEPTH_MAX => nodes.push(self.branches(rest, depth + 1)?),
                        "if" => return Err(wrong("conditions stand too deep in one another")),
                        "elsif" => return Ok((nodes, End::Elsif(condition(rest)?))),
                        "else" => return Ok((nodes, End::Else)),
                        "endif" => return Ok((nodes, End::Endif)),
                        _ if name.starts_with("abort_message") => nodes.push(abort(tag)?),
                        _ => return Err(wrong(&format!("there is no tag `{name}`"))),
                    }
                }
            }
        }
        Ok((nodes, End::Template))
    }

    fn branches(&mut self, first: &str, depth: usize) -> Result<Node, LiquidError> {
        let mut branches = Vec::new();
        let mut next = Some(condition(first)?);
        loop {
            let (nodes, end) = self.nodes(depth)?;
            let was_else = next.is_none();
            branches.push((next, nodes));
            next = match end {
                End::Elsif(condition) if !was_else => Some(condition),
                End::Else if !was_else => None,
                End::Endif => return Ok(Node::If(branches)),
                End::Template => return Err(wrong("an `if` has no `endif`")),
                End::Elsif(_) | End::Else => {
                    return Err(wrong("a branch follows an `else`"));
                }
            };
        }
    }

    /// Takes the next piece; white space goes where a dash says so.
    fn piece(&mut self) -> Result<Option<Piece<'a>>, LiquidError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let opens = [self.rest.find("{{"), self.rest.find("{%")];
        let Some(at) = opens.into_iter().flatten().min() else {
            return Ok(Some(Piece::Text(std::mem::take(&mut self.rest))));
        };
        if at > 0 {
            let (text, rest) = self.rest.split_at(at);
            self.rest = rest;
            let is_trimmed = rest[2..].starts_with('-');
            return Ok(Some(Piece::Text(match is_trimmed {
                true => text.trim_end(),
                false => text,
            })));
        }
        let is_output = self.rest.starts_with("{{");
        let close = if is_output { "}}" } else { "%}" };
        let inside = &self.rest[2..];
        if is_output && inside.starts_with('{') {
            return Err(wrong("a tag has two braces, not three"));
        }
        let end = closing(inside, close).ok_or_else(|| wrong("a tag is not closed"))?;
        self.rest = &inside[end + 2..];
        let mut inside = &inside[..end];
        inside = inside.strip_prefix('-').unwrap_or(inside);
        if let Some(trimmed) = inside.strip_suffix('-') {
            inside = trimmed;
            self.rest = self.rest.trim_start();
        }
        let inside = inside.trim();
        Ok(Some(match is_output {
            true => Piece::Output(inside),
            false => Piece::Tag(inside),
        }))
    }
}

/// Finds where a tag closes: not inside a quoted text, and not at the brace that ends `${…}`.
fn closing(inside: &str, close: &str) -> Option<usize> {
    let (mut quote, mut in_name) = (None, false);
    for (at, letter) in inside.char_indices() {
        match (quote, letter) {
            (Some(open), _) if letter == open => quote = None,
            (None, '"' | '\'') => quote = Some(letter),
            (None, '{') => in_name = true,
            (None, '}') if in_name => in_name = false,
            (None, _) if inside[at..].starts_with(close) => return Some(at),
            _ => {}
        }
    }
    None
}

fn assign(text: &str) -> Result<Node, LiquidError> {
    let (name, value) = text
        .split_once('=')
        .ok_or_else(|| wrong("an `assign` has no `=`"))?;
    let name = name.trim();
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    match !name.is_empty() && name.chars().all(is_name) {
        true => Ok(Node::Assign(name.to_owned(), expression(value)?)),
        false => Err(wrong(&format!("`{name}` is no name to assign to"))),
    }
}

/// Reads `abort_message`, with or without its reason.
fn abort(tag: &str) -> Result<Node, LiquidError> {
    let inside = tag.trim_start_matches("abort_message").trim();
    let inside = inside.trim_start_matches('(').trim_end_matches(')').trim();
    if inside.is_empty() {
        return Ok(Node::Abort(String::new()));
    }
    match operand(inside)? {
        Operand::Literal(Value::String(reason)) => Ok(Node::Abort(reason)),
        _ => Err(wrong("the reason of an `abort_message` must be a text")),
    }
}

fn expression(text: &str) -> Result<Expression, LiquidError> {
    let mut parts = split(text, '|').into_iter();
    let first = parts.next().unwrap_or_default();
    let filters = parts.map(filter).collect::<Result<_, _>>()?;
    Ok(Expression {
        operand: operand(first)?,
        filters,
    })
}

fn filter(text: &str) -> Result<(Filter, Vec<Operand>), LiquidError> {
    let text = text.trim();
    let (name, arguments) = match text.split_once(':') {
        Some((name, arguments)) => (name.trim(), split(arguments, ',')),
        None => (text, Vec::new()),
    };
    let known = Filter::ALL.into_iter().find(|(known, ..)| *known == name);
    let (_, filter, count) = known.ok_or_else(|| wrong(&format!("there is no filter `{name}`")))?;
    if arguments.len() != count {
        return Err(wrong(&format!("`{name}` takes {count} arguments")));
    }
    let arguments = arguments
        .into_iter()
        .map(operand)
        .collect::<Result<_, _>>()?;
    Ok((filter, arguments))
}

/// Reads a condition. Liquid reads from right to left: `a and b or c` is `a and (b or c)`.
fn condition(text: &str) -> Result<Condition, LiquidError> {
    let words = words(text);
    let joint = words.iter().position(|word| ["and", "or"].contains(word));
    let Some(at) = joint else {
        return comparison(&words);
    };
    let left = Box::new(comparison(&words[..at])?);
    let right = Box::new(condition(&words[at + 1..].join(" "))?);
    Ok(match words[at] {
        "and" => Condition::And(left, right),
        _ => Condition::Or(left, right),
    })
}

fn comparison(words: &[&str]) -> Result<Condition, LiquidError> {
    match words {
        [one] => Ok(Condition::Is(operand(one)?)),
        [left, how, right] => {
            let how = match *how {
                "==" => Comparison::Equal,
                "!=" => Comparison::Unequal,
                "contains" => Comparison::Contains,
                how => return Err(wrong(&format!("`{how}` is no comparison"))),
            };
            Ok(Condition::Compared(operand(left)?, how, operand(right)?))
        }
        _ => Err(wrong("a condition cannot be read")),
    }
}

fn operand(text: &str) -> Result<Operand, LiquidError> {
    let text = text.trim();
    // Braze writes its own tags inside another tag with their braces around them.
    let unwrapped = text
        .strip_prefix("{{")
        .and_then(|text| text.strip_suffix("}}"));
    let text = unwrapped.unwrap_or(text).trim();
    for quote in ['"', '\''] {
        let inside = text
            .strip_prefix(quote)
            .and_then(|text| text.strip_suffix(quote));
        if let Some(inside) = inside.filter(|inside| !inside.contains(quote)) {
            return Ok(Operand::Literal(inside.into()));
        }
    }
    match text {
        "" => Err(wrong("a tag says nothing")),
        "blank" | "empty" | "nil" => Ok(Operand::Blank),
        "true" => Ok(Operand::Literal(true.into())),
        "false" => Ok(Operand::Literal(false.into())),
        number if number.parse::<i64>().is_ok() => Ok(Operand::Literal(
            number.parse::<i64>().unwrap_or_default().into(),
        )),
        name if name
            .chars()
            .any(|c| c.is_whitespace() || "\"'|,()=".contains(c)) =>
        {
            Err(wrong(&format!("`{name}` cannot be read")))
        }
        name => Ok(Operand::Named(name.to_owned())),
    }
}

/// Splits at a letter that stands outside quoted texts.
fn split(text: &str, at: char) -> Vec<&str> {
    let mut quote = None;
    let is_split = |letter: char| {
        match quote {
            Some(open) if letter == open => quote = None,
            Some(_) => {}
            None if letter == '"' || letter == '\'' => quote = Some(letter),
            None => return letter == at,
        }
        false
    };
    text.split(is_split).collect()
}

/// Splits at white space outside quoted texts.
fn words(text: &str) -> Vec<&str> {
    let mut quote = None;
    let is_split = |letter: char| {
        match quote {
            Some(open) if letter == open => quote = None,
            Some(_) => {}
            None if letter == '"' || letter == '\'' => quote = Some(letter),
            None => return letter.is_whitespace(),
        }
        false
    };
    text.split(is_split)
        .filter(|word| !word.is_empty())
        .collect()
}

fn wrong(message: &str) -> LiquidError {
    LiquidError(message.to_owned())
}
