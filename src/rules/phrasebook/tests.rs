use super::*;

fn shipped() -> Phrasebook {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/prompts/support/guards.toml");
    let text = std::fs::read_to_string(path).unwrap();
    Phrasebook::parse(&text).unwrap_or_else(|problems| panic!("{problems:#?}"))
}

/// Fails with every answer in which something else is found.
#[track_caller]
fn finds(answers: &[(&str, Option<Banned>)]) {
    let shipped = shipped();
    let found = answers
        .iter()
        .map(|(answer, expected)| (answer, expected, shipped.find(answer)));
    let wrong: Vec<_> = found
        .filter(|(_, expected, found)| *expected != found)
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn what_the_shipped_guards_find() {
    use Banned::{Claim, Transfer};
    let answers = [
        ("I have transferred you to a colleague.", Transfer),
        ("I’ve now passed your request on to our team.", Transfer),
        (
            "I'm connecting you with a specialist now, one moment!",
            Transfer,
        ),
        (
            "Your message has been forwarded to our support team.",
            Transfer,
        ),
        (
            "One of our colleagues? A colleague will get back to you shortly.",
            Transfer,
        ),
        ("*I've refunded your order.*", Claim),
        (
            "I have cancelled your order, is there anything else?",
            Claim,
        ),
        ("Good news: your refund has been processed!", Claim),
        ("I've checked and your parcel is on its way.", Claim),
        ("I'll cancel your subscription right away.", Claim),
        ("He transferido su consulta a un compañero.", Transfer),
        ("Le he pasado con un agente.", Transfer),
        ("Un compañero le contactará en breve.", Transfer),
        ("He cancelado su pedido.", Claim),
        ("Ya le he reembolsado el importe.", Claim),
        ("Su reembolso ha sido procesado.", Claim),
        ("Transferi você para um atendente.", Transfer),
        ("Vou transferir você para um colega.", Transfer),
        ("Já cancelei o seu pedido.", Claim),
        ("O seu reembolso foi processado.", Claim),
        ("Je vous ai transféré à un collègue.", Transfer),
        ("Je transmets votre demande à notre équipe.", Transfer),
        ("J’ai annulé votre commande.", Claim),
        ("Votre remboursement a été effectué.", Claim),
        (
            "Ich habe Ihr Anliegen an einen Kollegen weitergeleitet.",
            Transfer,
        ),
        ("Ich verbinde Sie jetzt mit einem Mitarbeiter.", Transfer),
        ("Ich habe Ihre Bestellung soeben storniert.", Claim),
        ("Ihre Erstattung wurde bereits veranlasst.", Claim),
        ("担当者におつなぎしました。", Transfer),
        ("担当者に引き継ぎますので、少々お待ちください。", Transfer),
        ("ご注文をキャンセルいたしました。", Claim),
        ("返金手続きが完了しました。", Claim),
    ];
    finds(&answers.map(|(answer, banned)| (answer, Some(banned))));
}

#[test]
fn what_the_shipped_guards_let_pass() {
    let answers = [
        "Would you like me to transfer you to a colleague?",
        "I can pass you on to a colleague. Shall I?",
        "I cannot cancel orders myself, but a colleague can.",
        "I have not cancelled anything.",
        "If you like, a colleague will help you with that.",
        "I'm sorry that your order has been cancelled.",
        "You can cancel your order within 24 hours on our website.",
        "Once you have sent the parcel back, refunds take five days.",
        "We are open Monday to Saturday, from 9:00 to 18:00.",
        "I can look into your order. What is the order number?",
        "Thank you. About the order you asked for: number 12345 has left our warehouse and takes two more days.",
        "¿Quiere que le pase con un compañero?",
        "¿Le paso con un compañero?",
        "Si quiere, le paso con un compañero.",
        "No puedo cancelar pedidos, pero un compañero puede hacerlo.",
        "Siento que su pedido haya llegado tarde. ¿Le han enviado el número?",
        "Quer que eu transfira você para um colega?",
        "Se quiser, um colega vai ajudar.",
        "Não posso cancelar o pedido.",
        "Souhaitez-vous que je vous mette en relation avec un collègue ?",
        "Si vous le souhaitez, je vous mets en relation avec un collègue.",
        "Je ne peux pas annuler votre commande.",
        "Soll ich Sie an einen Kollegen weiterleiten?",
        "Wenn Sie möchten, leite ich Sie an einen Kollegen weiter.",
        "Ich kann Ihre Bestellung leider nicht stornieren.",
        "担当者におつなぎしましょうか。",
        "ご希望の場合は、担当者におつなぎします。",
        "ご注文をキャンセルすることはできません。",
        "ご連絡ありがとうございます。",
        "",
    ];
    finds(&answers.map(|answer| (answer, None)));
}

#[test]
fn what_is_never_said_is_found_in_questions_and_behind_claims_too() {
    let source = r#"
        [vocabulary.en]
        thing = ["price", "offer"]
        [[guard]]
        name = "done"
        kind = "claim"
        phrases.en = ["I refunded you"]
        [[guard]]
        name = "best"
        kind = "never_say"
        phrases.en = ["best <thing>"]
        except.en = ["not the best <thing>"]
    "#;
    let book = Phrasebook::parse(source).unwrap();
    for (answer, found) in [
        ("Is it the best price?", Some(Banned::NeverSay)),
        ("The BEST  offer!", Some(Banned::NeverSay)),
        ("It is not the best price.", None),
        ("I refunded you?", None),
        (
            "I refunded you? That is the best price.",
            Some(Banned::NeverSay),
        ),
        (
            "That is the best price. I refunded you.",
            Some(Banned::Claim),
        ),
        ("\"I refunded you\"", Some(Banned::Claim)),
    ] {
        assert_eq!(book.find(answer), found, "{answer}");
    }
    assert_eq!(Phrasebook::parse("").unwrap().find("I refunded you"), None);
}

#[test]
fn all_that_is_wrong_with_a_file_is_said_at_once() {
    let source = r#"
        [[guard]]
        name = "A b"
        kind = "ban"
        phrases.en = ["one ("]
        [[guard]]
        name = "empty"
        kind = "claim"
        phrases.xx1 = ["x"]
    "#;
    let problems = Phrasebook::parse(source).unwrap_err();
    let all: Vec<String> = problems
        .iter()
        .map(|problem| format!("{}: {}", problem.key, problem.message))
        .collect();
    for expected in [
        "guard[0].name",
        "guard[0].kind",
        "guard[0].phrases.en[0]",
        "guard[1].phrases.xx1",
    ] {
        assert!(
            all.iter().any(|problem| problem.starts_with(expected)),
            "{expected} in {all:#?}"
        );
    }
    assert!(Phrasebook::parse("[[guards]]").is_err());
    let empty = Phrasebook::parse("[[guard]]\nname = \"x\"\nkind = \"claim\"").unwrap_err();
    assert!(empty[0].message.contains("finds nothing"));
}
