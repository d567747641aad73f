//! Tests of the JSON reader, by rule and against `serde_json`.

use std::collections::HashMap;

use proptest::prelude::*;
use serde::de::IgnoredAny;

use super::{Malformed, Member, read_object, set_once};

fn skims(document: impl AsRef<[u8]>) -> bool {
    read_object(document.as_ref(), |_, _| Ok(Member::Unknown)).is_ok()
}

fn string(value: &str) -> Result<String, Malformed> {
    let mut found = None;
    let document = format!(r#"{{"a":{value}}}"#);
    read_object(document.as_bytes(), |_, reader| set_once(&mut found, reader.string()?.into_owned()))?;
    found.ok_or(Malformed)
}

fn integer(value: &str) -> Result<i64, Malformed> {
    let mut found = None;
    let document = format!(r#"{{"a":{value}}}"#);
    read_object(document.as_bytes(), |_, reader| set_once(&mut found, reader.integer()?))?;
    found.ok_or(Malformed)
}

// SEC-30
#[test]
fn only_a_whole_object_is_a_document() {
    for document in ["{}", " {} ", "\t{\r\n}", r#"{"a":1}"#, r#" { "a" : 1 , "b" : [ ] } "#] {
        assert!(skims(document), "{document}");
    }
    for document in [
        "",
        " ",
        "{",
        "}",
        "[]",
        "null",
        "\"a\"",
        "1",
        "{}{}",
        "{} x",
        "{,}",
        r#"{"a":1,}"#,
        r#"{"a"}"#,
        r#"{"a":}"#,
        r#"{"a" 1}"#,
        r#"{a:1}"#,
        r#"{'a':1}"#,
        r#"{"a":1 "b":2}"#,
        r#"{"a":1]"#,
        r#"{1:1}"#,
        "{/**/}",
        "{\u{b}}",
        "\u{feff}{}",
        "{}\u{0}",
        "{\u{a0}}",
    ] {
        assert!(!skims(document), "{document}");
    }
}

#[test]
fn every_kind_of_value_is_skipped() {
    let members = [
        "null",
        "true",
        "false",
        "0",
        "-0",
        "1",
        "-1.5e+10",
        "1e999",
        "0.1E-2",
        r#""""#,
        r#""\u00e9\n""#,
        "[]",
        "[[], {}, [1, 2]]",
        r#"{"a":{"b":[null]}}"#,
        "123456789012345678901234567890",
    ];
    for value in members {
        assert!(skims(format!(r#"{{"a":{value}}}"#)), "{value}");
    }
    for value in [
        "nul",
        "True",
        "nulll",
        "01",
        "-",
        "+1",
        "1.",
        ".5",
        "1e",
        "1e+",
        "--1",
        "0x1",
        "NaN",
        "Infinity",
        "[1,]",
        "[,]",
        "[1 2]",
        "[",
        r#"{"a":1,}"#,
        r#"""#,
        r#""\x""#,
        r#""\u12""#,
        "'a'",
        "undefined",
    ] {
        assert!(!skims(format!(r#"{{"a":{value}}}"#)), "{value}");
    }
}

// SEC-30
#[test]
fn duplicates_are_refused_at_every_level() {
    for document in [
        r#"{"a":1,"a":1}"#,
        r#"{"a":1,"b":2,"c":3,"a":4}"#,
        r#"{"a":1,"\u0061":1}"#,
        r#"{"x":{"a":1,"a":2}}"#,
        r#"{"x":[{"a":1,"b":{},"a":2}]}"#,
        r#"{"":1,"":1}"#,
    ] {
        assert!(!skims(document), "{document}");
    }
    assert!(skims(r#"{"a":1,"A":1,"x":{"a":1},"y":[{"a":1},{"a":1}]}"#));
}

#[test]
fn a_place_is_filled_once() {
    let mut place = None;
    assert!(set_once(&mut place, 1).is_ok());
    assert!(set_once(&mut place, 1).is_err());
    assert_eq!(place, Some(1));
}

#[test]
fn escapes_are_read_and_lone_surrogates_refused() {
    assert_eq!(string(r#""\"\\\/\b\f\n\r\t""#).unwrap(), "\"\\/\u{8}\u{c}\n\r\t");
    assert_eq!(string(r#""a\u00E9b\u00e9""#).unwrap(), "aébé");
    assert_eq!(string(r#""\ud83d\ude00 \uD800\uDC00 \uDBFF\uDFFF""#).unwrap(), "😀 \u{10000} \u{10ffff}");
    assert_eq!(string(r#""\u0000""#).unwrap(), "\0");
    for value in [
        r#""\ud83d""#,
        r#""\ude00""#,
        r#""\ud83d\ud83d""#,
        r#""\ud83dx""#,
        r#""\ud83d\n""#,
        r#""\ud83d\u0041""#,
        r#""\u+123""#,
        r#""\u 123""#,
        r#""\uD83D\uE000""#,
        r#""\U0041""#,
        r#""\"#,
        "\"\n\"",
        "\"\u{1f}\"",
        "\"\0\"",
    ] {
        assert_eq!(string(value), Err(Malformed), "{value}");
    }
    assert_eq!(string("\"\u{7f}\u{2028}\"").unwrap(), "\u{7f}\u{2028}");
}

// SEC-31
#[test]
fn integers_are_digits_within_two_to_the_53() {
    for (value, expected) in [("0", 0), ("7", 7), ("9007199254740991", 9_007_199_254_740_991)] {
        assert_eq!(integer(value), Ok(expected));
    }
    for value in [
        "9007199254740992",
        "9007199254740999",
        "90071992547409910",
        "18446744073709551616",
        "00",
        "01",
        "-1",
        "-0",
        "+1",
        "1.0",
        "1e0",
        "1E0",
        "1.",
        "",
        "\"1\"",
        "null",
        "true",
        "[1]",
        "1_000",
        "0x1",
        "99999999999999999999999999999999999999",
    ] {
        assert_eq!(integer(value), Err(Malformed), "{value}");
    }
}

// SEC-30
#[test]
fn bytes_that_are_no_utf8_are_refused() {
    for bytes in [b"\xff".as_slice(), b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82"] {
        assert!(!skims([b"{\"a\":\"", bytes, b"\"}"].concat()), "{bytes:?}");
    }
}

// SEC-69
#[test]
fn nesting_ends_at_sixty_four_levels() {
    let arrays = |depth: usize| format!(r#"{{"a":{}{}}}"#, "[".repeat(depth), "]".repeat(depth));
    let objects = |depth: usize| format!("{}1{}", r#"{"a":"#.repeat(depth), "}".repeat(depth));
    assert!(skims(arrays(63)) && skims(objects(64)));
    assert!(!skims(arrays(64)) && !skims(objects(65)));
    assert!(!skims("[".repeat(100_000)) && !skims(format!(r#"{{"a":{}"#, "[".repeat(100_000))));
}

fn json_value() -> impl Strategy<Value = serde_json::Value> {
    use serde_json::Value;
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::hash_map(any::<String>(), inner, 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn whatever_serde_json_writes_is_read(
        members in prop::collection::hash_map(any::<String>(), json_value(), 0..6),
        pretty in any::<bool>(),
    ) {
        let text = if pretty { serde_json::to_string_pretty(&members) } else { serde_json::to_string(&members) };
        let text = text.unwrap();
        let mut names = Vec::new();
        let result = read_object(text.as_bytes(), |name, _| {
            names.push(name.to_owned());
            Ok(Member::Unknown)
        });
        prop_assert_eq!(result, Ok(()));
        names.sort();
        let mut expected: Vec<String> = members.into_keys().collect();
        expected.sort();
        prop_assert_eq!(names, expected);
    }

    #[test]
    fn strings_and_integers_read_as_serde_json_wrote_them(text in any::<String>(), number in any::<i64>()) {
        prop_assert_eq!(string(&serde_json::to_string(&text).unwrap()), Ok(text.clone()));
        let escaped: String = text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
        prop_assert_eq!(string(&format!("\"{escaped}\"")), Ok(text));
        let in_range = (0..=super::MAX_INTEGER).contains(&number);
        prop_assert_eq!(integer(&number.to_string()).ok(), in_range.then_some(number));
    }

    #[test]
    fn what_we_read_serde_json_reads_too(document in r#"\{("a"|"b"|1|-|0|\.|e|:|,|\[|\]|\{|\}|\\u|null| ){0,12}\}"#) {
        if skims(&document) {
            prop_assert!(serde_json::from_str::<HashMap<String, IgnoredAny>>(&document).is_ok(), "{}", document);
        }
    }

    #[test]
    fn a_damaged_document_is_read_only_where_serde_json_reads_it(
        value in json_value(), place in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<bool>(),
    ) {
        let mut text = serde_json::to_vec(&serde_json::json!({ "a": value, "b": [1.5, "\\\"", {}] })).unwrap();
        let at = place.index(text.len());
        if cut {
            text.truncate(at);
        } else {
            text[at] = byte;
        }
        if skims(&text) {
            prop_assert!(serde_json::from_slice::<HashMap<String, IgnoredAny>>(&text).is_ok());
        }
    }
}
