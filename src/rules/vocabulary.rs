//! Classes of words and turns of phrase, and how they stand in for their names.

use std::collections::BTreeMap;

use super::pattern::{Node, Unreadable};

/// The class whose phrases may stand anywhere in a phrase and around it, in any language.
pub(super) const FILLER: &str = "filler";

/// How deep classes may name classes: a class of classes of classes is still followed by a reader.
const DEPTH_MAX: usize = 4;

/// The most parts that a phrase may have once its classes are unfolded, so that a class of classes does not grow without
/// end.
const PARTS_MAX: usize = 20_000;

/// The classes of one language, by name.
pub(super) type Classes = BTreeMap<String, Node>;

/// Puts what the classes hold in the place of their names.
pub(super) fn unfold(body: &Node, classes: &Classes) -> Result<Node, Unreadable> {
    let mut parts_left = PARTS_MAX;
    replace(body, classes, DEPTH_MAX, &mut parts_left)
}

fn replace(
    node: &Node,
    classes: &Classes,
    depth_left: usize,
    parts_left: &mut usize,
) -> Result<Node, Unreadable> {
    *parts_left = parts_left.checked_sub(1).ok_or_else(|| {
        Unreadable::new(
            format!("its classes unfold to more than {PARTS_MAX} parts"),
            "name fewer classes within classes",
        )
    })?;
    let mut each = |parts: &[Node]| -> Result<Vec<Node>, Unreadable> {
        parts
            .iter()
            .map(|part| replace(part, classes, depth_left, parts_left))
            .collect()
    };
    Ok(match node {
        Node::All(parts) => Node::All(each(parts)?),
        Node::OneOf(choices) => Node::OneOf(each(choices)?),
        Node::Maybe(inner) => {
            Node::Maybe(Box::new(replace(inner, classes, depth_left, parts_left)?))
        }
        Node::Class(name) => {
            let class = classes.get(name).ok_or_else(|| unknown(name, classes))?;
            let depth_left = depth_left.checked_sub(1).ok_or_else(|| {
                Unreadable::new(
                    format!("`<{name}>` is a class more than {DEPTH_MAX} classes deep"),
                    "a class must not lead back to itself; write its words out",
                )
            })?;
            replace(class, classes, depth_left, parts_left)?
        }
        Node::Word(_) | Node::Break | Node::Any | Node::Gap => node.clone(),
    })
}

fn unknown(name: &str, classes: &Classes) -> Unreadable {
    let known: Vec<&str> = classes.keys().map(String::as_str).collect();
    let help = if known.is_empty() {
        "add it to the vocabulary of the same language".to_owned()
    } else {
        format!("the vocabulary of this language has: {}", known.join(", "))
    };
    Unreadable::new(format!("there is no class `<{name}>`"), help)
}
