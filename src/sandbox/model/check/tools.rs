//! Whether tools, the choice among them, and calls of them are as OpenAI wants them.

use serde_json::{Map, Value};

use super::super::trouble::Invalid;
use super::{is_identifier, is_name, strict};

/// The most tools that a request may have.
const TOOLS_MAX: usize = 128;

/// Checks the tools of a request, and the choice among them.
pub(super) fn check(fields: &Map<String, Value>) -> Result<(), Invalid> {
    let given = |name: &str| fields.get(name).filter(|value| !value.is_null());
    let Some(tools) = given("tools").and_then(Value::as_array) else {
        let lost = ["tool_choice", "parallel_tool_calls"];
        return match lost.into_iter().find(|name| given(name).is_some()) {
            Some(name) => {
                let message = format!("'{name}' is only allowed when 'tools' are specified");
                Err(Invalid::at(name, message))
            }
            None => Ok(()),
        };
    };
    if tools.is_empty() || tools.len() > TOOLS_MAX {
        return Err(Invalid::at("tools", "there must be 1 to 128 tools"));
    }
    for (index, one) in tools.iter().enumerate() {
        tool(&format!("tools[{index}]"), one)?;
    }
    match given("tool_choice") {
        Some(choice) => tool_choice(choice, tools),
        None => Ok(()),
    }
}

/// Tells whether an assistant's message may hold this call.
pub(super) fn is_call(call: &Value) -> bool {
    let function = &call["function"];
    is_name(&call["id"])
        && call["type"] == "function"
        && is_identifier(&function["name"])
        && function["arguments"].is_string()
}

fn tool(param: &str, tool: &Value) -> Result<(), Invalid> {
    let wrong = |field: &str, message: &str| Err(Invalid::at(&format!("{param}.{field}"), message));
    let function = &tool["function"];
    if tool["type"] != "function" {
        return wrong("type", "the type must be 'function'");
    }
    if !is_identifier(&function["name"]) {
        return wrong(
            "function.name",
            "the name must be 1 to 64 of a-z, A-Z, 0-9, '_' and '-'",
        );
    }
    let parameters = &function["parameters"];
    if !parameters.is_null() && parameters["type"] != "object" {
        return wrong(
            "function.parameters",
            "the parameters must be the schema of an object",
        );
    }
    match function["strict"] == true {
        true => strict(parameters),
        false => Ok(()),
    }
}

fn tool_choice(choice: &Value, tools: &[Value]) -> Result<(), Invalid> {
    let names = |tool: &Value| tool["function"]["name"] == choice["function"]["name"];
    let fits = match choice.as_str() {
        Some(word) => ["none", "auto", "required"].contains(&word),
        None => choice["type"] == "function" && tools.iter().any(names),
    };
    match fits {
        true => Ok(()),
        false => Err(Invalid::at(
            "tool_choice",
            "expected 'none', 'auto', 'required' or one of the tools",
        )),
    }
}
