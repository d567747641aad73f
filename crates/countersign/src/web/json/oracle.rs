//! The parser against `serde_json`, on texts that nobody thought of.

use proptest::prelude::*;
use serde_json::Value as Json;

use super::*;

/// Whether both parsers should take it as a body: the oracle knows neither our bounds nor that it must be an object.
pub(super) fn is_sound(body: &str) -> bool {
    fn depth(value: &Json) -> usize {
        match value {
            Json::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
            Json::Object(members) => 1 + members.values().map(depth).max().unwrap_or(0),
            _ => 0,
        }
    }
    serde_json::from_str::<Json>(body)
        .is_ok_and(|value| value.is_object() && depth(&value) <= parser::MAX_DEPTH)
}

fn any_json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<f64>().prop_map(Json::from),
        any::<String>().prop_map(Json::from),
    ];
    leaf.prop_recursive(6, 32, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
            proptest::collection::hash_map(any::<String>(), inner, 0..4)
                .prop_map(|members| Json::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn texts_come_out_as_the_oracle_reads_them(
        members in proptest::collection::hash_map(any::<String>(), any_json(), 0..8),
        pretty in any::<bool>(),
    ) {
        let object = Json::Object(members.into_iter().collect());
        let text = if pretty { serde_json::to_string_pretty(&object) } else { serde_json::to_string(&object) };
        let mut form = Form::parse(text.unwrap().as_bytes()).unwrap();
        for (name, value) in object.as_object().unwrap() {
            let expected = match value {
                Json::Null => Some(None),
                Json::String(text) => Some(Some(text.clone())),
                _ => None,
            };
            prop_assert_eq!(form.nullable_text(name), expected);
        }
        prop_assert!(form.finish().iter().all(|(_, errors)| errors.iter().all(|it| it.code == "invalid_type")));
    }

    // SEC-69
    #[test]
    fn damaged_texts_are_judged_as_the_oracle_judges_them(
        value in any_json(),
        place in any::<prop::sample::Index>(),
        damage in prop_oneof![
            Just(String::new()),
            "[\\[\\]{}:,\"\\\\ 0-9eE+.tfnu-]{1,3}",
            Just("\\ud83d".to_owned()),
            Just("\\u00e9".to_owned()),
            Just("1e999".to_owned()),
        ],
        removed in 0_usize..3,
    ) {
        let text = serde_json::json!({ "field": value }).to_string();
        let mut characters: Vec<char> = text.chars().collect();
        let start = place.index(characters.len());
        let end = (start + removed).min(characters.len());
        characters.splice(start..end, damage.chars());
        let text: String = characters.into_iter().collect();
        prop_assert_eq!(Form::parse(text.as_bytes()).is_ok(), is_sound(&text), "{}", text);
    }

    // SEC-69
    #[test]
    fn no_bytes_make_the_parser_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        if let Err(problem) = Form::parse(&bytes) {
            prop_assert_eq!(problem.code(), "invalid_json");
        }
    }
}
