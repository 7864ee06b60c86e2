//! Envelopes of every make.

use proptest::prelude::*;
use rstest::rstest;
use serde_json::json;

use super::*;

fn text_of(body: &Value) -> Result<String, FaultKind> {
    open(body)
        .said
        .map(|said| said.text)
        .map_err(|fault| fault.kind)
}

fn message(message: &Value) -> Value {
    json!({"choices": [{"message": message, "finish_reason": "stop"}]})
}

#[rstest]
#[case::plain(json!({"role": "assistant", "content": "Hi"}), "Hi")]
#[case::no_role(json!({"content": "Hi"}), "Hi")]
#[case::strange_role(json!({"role": "model", "content": "Hi"}), "Hi")]
#[case::null(json!({"content": null}), "")]
#[case::absent(json!({"role": "assistant"}), "")]
#[case::no_text(json!({"content": false}), "")]
#[case::number(json!({"content": 42}), "42")]
#[case::text_parts(json!({"content": [{"type": "text", "text": "H"}, {"type": "text", "text": "i"}]}), "Hi")]
#[case::output_parts(json!({"content": [{"type": "output_text", "text": "Hi"}]}), "Hi")]
#[case::untyped_parts(json!({"content": [{"text": "H"}, "i"]}), "Hi")]
#[case::thinking_parts(
    json!({"content": [{"type": "thinking", "text": "hm", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": "Hi"}]}),
    "Hi"
)]
#[case::one_part(json!({"content": {"type": "text", "text": "Hi"}}), "Hi")]
#[case::parsed_for_us(json!({"content": {"reply": "Hi"}}), r#"{"reply":"Hi"}"#)]
#[case::reasoning_content(json!({"content": "Hi", "reasoning_content": "hm"}), "Hi")]
#[case::reasoning(json!({"content": "Hi", "reasoning": "hm", "reasoning_details": [{"text": "hm"}]}), "Hi")]
#[case::reasoning_alone(json!({"content": null, "reasoning_content": "hm", "reasoning": "hm"}), "")]
#[case::empty_refusal(json!({"content": "Hi", "refusal": ""}), "Hi")]
#[case::null_refusal(json!({"content": "Hi", "refusal": null}), "Hi")]
#[case::empty_tool_calls(json!({"content": "Hi", "tool_calls": []}), "Hi")]
#[case::empty_tool_call(json!({"content": null, "tool_calls": [{"function": {"name": "x", "arguments": {}}}]}), "")]
#[case::tool_call(json!({"content": null, "tool_calls": [{"function": {"name": "x", "arguments": "{\"a\":1}"}}]}), r#"{"a":1}"#)]
#[case::tool_call_object(json!({"content": "hm", "tool_calls": [{"id": "", "function": {"arguments": {"a": 1}}}]}), r#"{"a":1}"#)]
#[case::flat_tool_call(json!({"content": "", "tool_calls": [{"name": "x", "arguments": {"a": 1}}]}), r#"{"a":1}"#)]
#[case::other_calls(json!({"function_calls": [{"name": "x", "arguments": {"a": 1}}]}), r#"{"a":1}"#)]
#[case::old_call(json!({"function_call": {"name": "x", "arguments": "{\"a\":1}"}}), r#"{"a":1}"#)]
fn messages(#[case] said: Value, #[case] text: &str) {
    assert_eq!(text_of(&message(&said)), Ok(text.to_owned()));
}

#[rstest]
#[case::strange_fields(
    json!({"id": 7, "created": 1.5, "service_tier": "on_demand", "choices": [{"index": "0", "message": {"content": "Hi"}}]}),
    Ok("Hi")
)]
#[case::no_finish(json!({"choices": [{"message": {"content": "Hi"}, "finish_reason": null}]}), Ok("Hi"))]
#[case::blank_finish(json!({"choices": [{"message": {"content": "Hi"}, "finish_reason": ""}]}), Ok("Hi"))]
#[case::eos(json!({"choices": [{"message": {"content": "Hi"}, "finish_reason": "eos"}]}), Ok("Hi"))]
#[case::number_finish(json!({"choices": [{"message": {"content": "Hi"}, "finish_reason": 1}]}), Ok("Hi"))]
#[case::old_completion(json!({"choices": [{"text": "Hi"}]}), Ok("Hi"))]
#[case::null_error(json!({"error": null, "choices": [{"message": {"content": "Hi"}}]}), Ok("Hi"))]
#[case::empty_error(json!({"error": {}, "choices": [{"message": {"content": "Hi"}}]}), Ok("Hi"))]
#[case::no_choices(json!({"choices": []}), Err(FaultKind::Empty))]
#[case::null_choices(json!({"choices": null}), Err(FaultKind::Empty))]
#[case::choices_missing(json!({"object": "chat.completion"}), Err(FaultKind::BadResponse))]
#[case::a_list(json!([]), Err(FaultKind::BadResponse))]
#[case::a_word(json!("overloaded"), Err(FaultKind::BadResponse))]
#[case::null_body(json!(null), Err(FaultKind::BadResponse))]
#[case::null_choice(json!({"choices": [null]}), Ok(""))]
#[case::error(json!({"error": {"message": "x", "code": 429}}), Err(FaultKind::RateLimited))]
#[case::error_text(json!({"error": "Context size exceeded: the context length is too small"}), Err(FaultKind::ContextLength))]
#[case::error_and_choices(json!({"error": {"code": 502}, "choices": [{"message": {"content": "Hi"}}]}), Err(FaultKind::Overloaded))]
#[case::error_in_choice(
    json!({"choices": [{"error": {"code": 429}, "message": {"content": "H"}, "finish_reason": "error"}]}),
    Err(FaultKind::RateLimited)
)]
#[case::error_finish(json!({"choices": [{"message": {"content": "H"}, "finish_reason": "error"}]}), Err(FaultKind::BadResponse))]
#[case::filtered(json!({"choices": [{"message": {"content": "H"}, "finish_reason": "content_filter"}]}), Err(FaultKind::Filtered))]
#[case::loud_filter(json!({"choices": [{"message": {"content": null}, "finish_reason": "SAFETY"}]}), Err(FaultKind::Filtered))]
#[case::refused(json!({"choices": [{"message": {"content": null, "refusal": "I can't."}}]}), Err(FaultKind::Refused))]
#[case::refused_in_part(
    json!({"choices": [{"message": {"content": [{"type": "refusal", "refusal": "I can't."}]}}]}),
    Err(FaultKind::Refused)
)]
#[case::refused_finish(json!({"choices": [{"message": {"content": ""}, "finish_reason": "refusal"}]}), Err(FaultKind::Refused))]
fn envelopes(#[case] body: Value, #[case] expected: Result<&str, FaultKind>) {
    assert_eq!(text_of(&body), expected.map(str::to_owned));
}

#[rstest]
#[case(json!("length"), true)]
#[case(json!("LENGTH"), true)]
#[case(json!("max_tokens"), true)]
#[case(json!("model_length"), true)]
#[case(json!("stop"), false)]
#[case(json!(null), false)]
fn the_end_is_known(#[case] finish: Value, #[case] cut: bool) {
    let body = json!({"choices": [{"message": {"content": "Hi"}, "finish_reason": finish}]});
    assert_eq!(open(&body).said.unwrap().is_cut, cut);
}

#[rstest]
#[case(json!({"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}), Some(10), Some(5))]
#[case(json!({"prompt_tokens": 10}), Some(10), None)]
#[case(json!({"prompt_tokens": 10.0, "completion_tokens": null}), Some(10), None)]
#[case(json!({"input_tokens": 3, "output_tokens": 4}), Some(3), Some(4))]
#[case(json!({"prompt_tokens": -1, "completion_tokens": "5"}), None, None)]
#[case(json!({"prompt_tokens": 1e300}), None, None)]
#[case(json!(null), None, None)]
#[case(json!([]), None, None)]
fn counts(#[case] usage: Value, #[case] input: Option<u64>, #[case] output: Option<u64>) {
    let body =
        json!({"choices": [{"message": {"content": "Hi"}}], "usage": usage, "model": " m-1 "});
    let opened = open(&body);
    assert_eq!((opened.usage.input, opened.usage.output), (input, output));
    assert_eq!(opened.model.as_deref(), Some("m-1"));
}

#[rstest]
#[case::none(json!({"prompt_tokens": 10}), Some(10), None, None)]
#[case::within(
    json!({"prompt_tokens": 10, "prompt_tokens_details": {"cached_tokens": 4}, "completion_tokens_details": {"reasoning_tokens": 2}}),
    Some(10), Some(4), Some(2)
)]
#[case::hit(json!({"prompt_tokens": 10, "prompt_cache_hit_tokens": 4, "prompt_cache_miss_tokens": 6}), Some(10), Some(4), None)]
#[case::beside(json!({"input_tokens": 10, "cache_read_input_tokens": 4}), Some(14), Some(4), None)]
#[case::both(
    json!({"prompt_tokens": 14, "prompt_tokens_details": {"cached_tokens": 4}, "cache_read_input_tokens": 4}),
    Some(14), Some(4), None
)]
#[case::null_details(json!({"prompt_tokens": 10, "prompt_tokens_details": null}), Some(10), None, None)]
fn details(
    #[case] usage: Value,
    #[case] input: Option<u64>,
    #[case] cached: Option<u64>,
    #[case] reasoning: Option<u64>,
) {
    let told = open(&json!({"error": {"message": "no"}, "usage": usage})).usage;
    assert_eq!(
        (told.input, told.cached, told.reasoning),
        (input, cached, reasoning)
    );
}

#[test]
fn names_are_kept_short() {
    let long = "é".repeat(500);
    let choice = json!({"message": {"content": "Hi"}, "finish_reason": long});
    let opened = open(&json!({"id": long, "model": long, "choices": [choice]}));
    let lengths = [opened.id, opened.model, Some(opened.finish)];
    let lengths = lengths.map(|name| name.unwrap().chars().count());
    assert_eq!(lengths, [100, 100, 40]);
}

#[test]
fn a_complaint_in_a_success_names_what_is_refused() {
    let body = json!({"error": {"message": "max_tokens is not supported", "code": 400}});
    let fault = open(&body).said.unwrap_err();
    let refused = super::super::dialect::Fields::default();
    assert_eq!(fault.kind, FaultKind::BadRequest);
    assert_eq!(
        fault.named,
        refused.with(super::super::dialect::Field::MaxTokens)
    );
}

/// Makes JSON that has the field names which matter, in places where they may not belong.
fn any_json() -> impl Strategy<Value = Value> {
    let names = [
        "choices",
        "message",
        "content",
        "error",
        "finish_reason",
        "refusal",
        "usage",
        "text",
        "type",
        "code",
        "x",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[a-z<>{}\" é]{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 64, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((prop::sample::select(names.to_vec()), inner), 0..6).prop_map(
                |fields| fields
                    .into_iter()
                    .map(|(name, value)| (name.to_owned(), value))
                    .collect()
            ),
        ]
    })
}

proptest! {
    #![proptest_config(crate::fuzz::config())]

    #[test]
    fn no_envelope_makes_it_panic(body in any_json()) {
        let _ = open(&body);
        let _ = open(&json!({"choices": [{"message": body}]}));
    }
}
