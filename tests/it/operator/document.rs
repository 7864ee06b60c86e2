//! The document that is served: all routes and no other, and who may use them.

use std::collections::BTreeSet;
use std::path::Path;

use reqwest::Method;
use serde_json::{Value, json};

use super::{ask, read};
use crate::layers::files;
use crate::world::{ADMIN_SECRET, INBOUND_SECRET, OPERATOR_SECRET, VIEWER_SECRET, World};

const METHODS: [&str; 6] = ["GET", "POST", "DELETE", "PUT", "PATCH", "HEAD"];

/// One operation of the document.
#[derive(Debug)]
struct Operation {
    method: String,
    path: String,
    role: String,
    about: Value,
}

async fn operations(world: &World) -> Vec<Operation> {
    let document = read(world, "/operator/v1/openapi.json").await;
    assert_eq!(document["openapi"], "3.1.0");
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, about) in item.as_object().unwrap() {
            operations.push(Operation {
                method: method.to_uppercase(),
                path: path.clone(),
                role: about["security"][0]["bearer"][0]
                    .as_str()
                    .expect(path)
                    .to_owned(),
                about: about.clone(),
            });
        }
    }
    operations
}

/// Asks for an operation: about something that is not there, so that nothing happens whoever asks.
async fn try_out(world: &World, secret: &str, method: &str, path: &str) -> super::Answer {
    let path = path.replace("{id}", "00000000-0000-7000-8000-000000000000");
    let body = (method == "POST").then(|| json!({ "external_id": "nobody-at-all" }));
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    ask(world, secret, method, &path, body.as_ref()).await
}

#[tokio::test]
async fn each_operation_is_for_the_roles_that_the_document_names_and_no_other() {
    let world = World::start().await;
    let operations = operations(&world).await;
    assert!(operations.len() > 15, "{operations:?}");
    let roles = [
        ("", ""),
        ("", "not-anybody's-secret-at-all"),
        ("", INBOUND_SECRET),
        ("viewer", VIEWER_SECRET),
        ("operator", OPERATOR_SECRET),
        ("admin", ADMIN_SECRET),
    ];
    let rank = |role: &str| {
        ["", "viewer", "operator", "admin"]
            .iter()
            .position(|r| *r == role)
    };
    for operation in &operations {
        for (role, secret) in roles {
            let answer = try_out(&world, secret, &operation.method, &operation.path).await;
            let expected = match rank(role) {
                Some(0) => answer.status == 401,
                held if held < rank(&operation.role) => answer.status == 403,
                _ => [200, 201, 404].contains(&answer.status),
            };
            assert!(expected, "{role}: {operation:?}: {answer:?}");
            let known = &operation.about["responses"][answer.status.to_string()];
            assert!(
                known.is_object(),
                "{operation:?} does not name {}",
                answer.status
            );
        }
    }
    world.end().await;
}

#[tokio::test]
async fn roles_are_as_they_were_decided() {
    let world = World::start().await;
    let mut found: Vec<_> = operations(&world)
        .await
        .into_iter()
        .map(|o| {
            format!(
                "{} {} {}",
                o.role,
                o.method,
                o.path.replace("/operator/v1/", "")
            )
        })
        .collect();
    found.sort();
    assert_eq!(
        found,
        [
            "admin GET audit",
            "admin GET erasures/{id}",
            "admin POST erasures",
            "operator DELETE quarantine/{id}",
            "operator POST conversations/{id}/opt_in",
            "operator POST conversations/{id}/opt_out",
            "operator POST conversations/{id}/release",
            "operator POST conversations/{id}/takeover",
            "operator POST deliveries/{id}/drop",
            "operator POST deliveries/{id}/retry",
            "operator POST deliveries/{id}/sent",
            "operator POST quarantine/{id}/replay",
            "viewer GET conversations",
            "viewer GET conversations/{id}",
            "viewer GET deliveries",
            "viewer GET deliveries/{id}",
            "viewer GET openapi.json",
            "viewer GET quarantine",
            "viewer GET quarantine/{id}",
            "viewer GET spending",
        ]
    );
    world.end().await;
}

#[tokio::test]
async fn what_is_served_is_documented_and_what_is_documented_is_served() {
    let world = World::start().await;
    let operations = operations(&world).await;
    let paths: BTreeSet<_> = operations.iter().map(|o| o.path.as_str()).collect();
    for path in &paths {
        for method in METHODS {
            let is_named = operations.iter().any(|o| {
                o.path == *path && (o.method == method || method == "HEAD" && o.method == "GET")
            });
            let answer = try_out(&world, ADMIN_SECRET, method, path).await;
            assert_eq!(
                answer.status != 405,
                is_named,
                "{method} {path}: {answer:?}"
            );
            let nothing = answer.body["detail"] == "there is nothing at this path";
            assert!(!nothing, "{method} {path}: {answer:?}");
        }
    }
    // No handler stands beside the document, and each that is written is there.
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/http/operator");
    let mut written = 0;
    for text in files(&source)
        .iter()
        .map(|file| std::fs::read_to_string(file).unwrap())
    {
        assert!(!text.contains(".route(\"/operator"));
        written += text.matches("path = \"/operator/v1/").count();
    }
    assert_eq!(written, operations.len());
    world.end().await;
}

#[tokio::test]
async fn every_answer_and_every_field_is_described_by_a_schema() {
    let world = World::start().await;
    let document = read(&world, "/operator/v1/openapi.json").await;
    let text = document.to_string();
    for (at, _) in text.match_indices("\"#/components/schemas/") {
        let name = text[at..].split(['"', '/']).nth(4).unwrap();
        assert!(
            document["components"]["schemas"][name].is_object(),
            "{name}"
        );
    }
    for operation in operations(&world).await {
        for (status, response) in operation.about["responses"].as_object().unwrap() {
            let kind = match status.as_str() {
                "204" => continue,
                status if status < "300" => "application/json",
                _ => "application/problem+json",
            };
            let schema = &response["content"][kind]["schema"];
            assert!(schema.is_object(), "{status}: {operation:?}");
        }
    }
    assert_eq!(
        document["components"]["securitySchemes"]["bearer"]["scheme"],
        "bearer"
    );
    world.end().await;
}
