use rstest::rstest;

use super::*;

/// Gives what is found in a text: its kind and its words.
fn found(text: &str) -> Vec<(&'static str, &str)> {
    let found = find(text).into_iter();
    found
        .map(|found| (found.kind.as_str(), &text[found.range]))
        .collect()
}

#[rstest]
#[case::visa("4111 1111 1111 1111", "4111 1111 1111 1111")]
#[case::alone("my card is 4111111111111111.", "4111111111111111")]
#[case::dashes("4111-1111-1111-1111", "4111-1111-1111-1111")]
#[case::points("5555.5555.5555.4444", "5555.5555.5555.4444")]
#[case::american_express("3782 822463 10005", "3782 822463 10005")]
#[case::mastercard_two("2223003122003222", "2223003122003222")]
#[case::union_pay("6200000000000005", "6200000000000005")]
#[case::diners("30569309025904", "30569309025904")]
#[case::with_its_date("4111 1111 1111 1111 12/27 123", "4111 1111 1111 1111")]
#[case::with_more_digits("4111 1111 1111 1111 737", "4111 1111 1111 1111")]
#[case::hard_blanks(
    "4111\u{a0}1111\u{a0}1111\u{a0}1111",
    "4111\u{a0}1111\u{a0}1111\u{a0}1111"
)]
#[case::full_width(
    "カードは４１１１１１１１１１１１１１１１です",
    "４１１１１１１１１１１１１１１１"
)]
#[case::in_japanese("カード4111111111111111です", "4111111111111111")]
fn cards_are_found(#[case] text: &str, #[case] number: &str) {
    assert_eq!(found(text), [("card", number)]);
    assert_eq!(find_payment(text).len(), 1);
}

#[rstest]
#[case::order("Where is order 1234567890123456?")]
#[case::sum_is_wrong("4111 1111 1111 1112")]
#[case::too_long("41111111111111111111111")]
#[case::in_a_word("ref4111111111111111")]
#[case::before_a_word("4111111111111111x")]
#[case::nobody_issues_it("0000 0000 0000 0000")]
#[case::fraction("0.4111111111111111")]
#[case::tracking("JJD0099999999999999")]
#[case::short("4111 1111 1111")]
#[case::two_blanks("4111  1111  1111  1111")]
fn what_is_no_card_is_left(#[case] text: &str) {
    assert_eq!(find_payment(text), []);
}

#[rstest]
#[case::german("DE89 3704 0044 0532 0130 00", "DE89 3704 0044 0532 0130 00")]
#[case::alone("to DE89370400440532013000, please", "DE89370400440532013000")]
#[case::small("gb82 west 1234 5698 7654 32", "gb82 west 1234 5698 7654 32")]
#[case::french("FR1420041010050500013M02606", "FR1420041010050500013M02606")]
#[case::spanish(
    "ES91 2100 0418 4502 0005 1332 gracias",
    "ES91 2100 0418 4502 0005 1332"
)]
#[case::brazilian("BR1800360305000010009795493C1", "BR1800360305000010009795493C1")]
#[case::portuguese("PT50 0002 0123 1234 5678 9015 4", "PT50 0002 0123 1234 5678 9015 4")]
#[case::dutch("(NL91ABNA0417164300)", "NL91ABNA0417164300")]
#[case::full_width(
    "ＤＥ８９３７０４００４４０５３２０１３０００",
    "ＤＥ８９３７０４００４４０５３２０１３０００"
)]
fn accounts_are_found(#[case] text: &str, #[case] number: &str) {
    assert_eq!(found(text), [("iban", number)]);
    assert_eq!(find_payment(text).len(), 1);
}

#[rstest]
#[case::sum_is_wrong("DE88370400440532013000")]
#[case::too_short("DE8937040044053201300")]
#[case::too_long("DE893704004405320130001")]
#[case::no_country("ZZ89370400440532013000")]
#[case::in_a_word("xDE89370400440532013000")]
#[case::no_check_digits("DEAB370400440532013000")]
fn what_is_no_account_is_left(#[case] text: &str) {
    assert_eq!(find_payment(text), []);
}

#[rstest]
#[case("write to ana@example.com.", "ana@example.com")]
#[case("<a.b-c+d_e@mail.example.co.uk>", "a.b-c+d_e@mail.example.co.uk")]
#[case("メールはana@example.comです", "ana@example.com")]
#[case("josé@müller.de!", "josé@müller.de")]
#[case("ana＠example.com", "ana＠example.com")]
#[case("ana.4111111111111111@example.com", "ana.4111111111111111@example.com")]
fn addresses_are_found(#[case] text: &str, #[case] address: &str) {
    assert_eq!(found(text), [("email", address)]);
}

#[rstest]
#[case("@ana")]
#[case("meet me @ home")]
#[case("ana@home")]
#[case("2@3.50")]
#[case("ana@.com")]
#[case("ana@ex..com")]
fn what_is_no_address_is_left(#[case] text: &str) {
    assert_eq!(found(text), []);
}

#[rstest]
#[case("+34 612 345 678")]
#[case("+4915112345678")]
#[case("+49 (0)30 1234567")]
#[case("+1 (555) 123-4567")]
#[case("+55 11 91234-5678")]
#[case("0034 612 345 678")]
#[case("030 1234567")]
#[case("0171/1234567")]
#[case("06 12 34 56 78")]
#[case("06.12.34.56.78")]
#[case("090-1234-5678")]
#[case("０９０－１２３４－５６７８")]
#[case("(555) 123-4567")]
#[case("(11) 91234-5678")]
#[case("555-123-4567")]
#[case("612 345 678")]
#[case("612 34 56 78")]
#[case("55 1234 5678")]
#[case("11 91234-5678")]
fn phone_numbers_are_found(#[case] number: &str) {
    assert_eq!(found(number), [("phone", number)]);
    let sentence = format!("Call {number}, please. 2 times");
    assert_eq!(found(&sentence), [("phone", number)]);
}

#[rstest]
#[case::order("order 123456789")]
#[case::long_order("order 4500012345678")]
#[case::date("on 01.02.2026 10:30")]
#[case::short_date("on 2.3.2026")]
#[case::iso("2026-03-02 09:00")]
#[case::money("1 000 000 000")]
#[case::price("12.50")]
#[case::time("09:00-17:00")]
#[case::version("1.2.3.4")]
#[case::postcode("08001")]
#[case::sum("2+34612345678")]
#[case::in_a_word("A0171123456")]
fn what_is_no_phone_number_is_left(#[case] text: &str) {
    assert_eq!(found(text), []);
}

#[test]
fn what_stands_beside_one_another_is_found_each_and_in_order() {
    let text = "ana@example.com, +34 612 345 678, 4111 1111 1111 1111, DE89 3704 0044 0532 0130 00 or bo@example.com";
    assert_eq!(
        found(text),
        [
            ("email", "ana@example.com"),
            ("phone", "+34 612 345 678"),
            ("card", "4111 1111 1111 1111"),
            ("iban", "DE89 3704 0044 0532 0130 00"),
            ("email", "bo@example.com"),
        ]
    );
    let payment: Vec<_> = find_payment(text).iter().map(|found| found.kind).collect();
    assert_eq!(payment, [Kind::Card, Kind::Iban]);
}

#[test]
fn any_text_is_searched_without_a_slip() {
    for text in [
        "",
        "@",
        "+",
        "(",
        "0",
        "00",
        "DE",
        "DE89",
        "4",
        "é@",
        "(12",
        "(12)",
        "+4",
        "日本4",
        "4 ",
        "1 (",
        "ａ@ｂ.ｃｄ",
    ] {
        for found in find(&format!("{text}{text}")) {
            assert!(!found.range.is_empty());
        }
    }
    let long = "4111 1111 1111 1112 ".repeat(5_000) + &"a.".repeat(50_000) + &"(0) ".repeat(20_000);
    assert_eq!(find(&long), []);
}
