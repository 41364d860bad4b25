//! What holds for any name and any time.

use std::time::{Duration, UNIX_EPOCH};

use platform_api::job::JobName;
use platform_api::letter_case::fold;
use platform_api::metadata::Metadata;
use platform_api::payload::PayloadPath;
use platform_api::time::{
    secs_from_system_time, system_time_from_secs, system_time_from_text, text_from_system_time,
};
use proptest::collection::vec;
use proptest::prelude::*;

/// Names near the border of what is allowed.
fn name() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("/"),
        Just("."),
        Just(".."),
        Just("a"),
        Just("é"),
        Just("\\"),
        Just(":"),
        Just(" "),
        Just("con"),
        Just("Lpt9"),
        Just("\u{0}"),
        Just("\n"),
    ];
    vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_path_leaves_its_payload(name in prop_oneof![name(), any::<String>()]) {
        for path in [PayloadPath::to_create(&name), PayloadPath::to_find(&name)].into_iter().flatten() {
            let relative = path.as_relative();
            prop_assert!(!relative.starts_with('/') && !relative.contains('\0'));
            prop_assert!(path.segments().all(|segment| !matches!(segment, "" | "." | "..")));
            // What is shown is read back as the same file.
            prop_assert_eq!(PayloadPath::to_find(&path.to_string()), Ok(path.clone()));
            prop_assert_eq!(std::path::Path::new(relative).components().count(), path.segments().count());
        }
    }

    #[test]
    fn what_may_be_created_can_be_found(name in name()) {
        if let Ok(path) = PayloadPath::to_create(&name) {
            prop_assert_eq!(PayloadPath::to_create(&path.to_string()), Ok(path.clone()));
            prop_assert_eq!(PayloadPath::to_find(&name), Ok(path));
        }
    }

    #[test]
    fn folding_twice_changes_nothing_more(text in any::<String>()) {
        prop_assert_eq!(fold(&fold(&text)), fold(&text));
    }

    #[test]
    fn names_of_jobs_never_panic(text in any::<String>()) {
        if let Ok(name) = text.parse::<JobName>() {
            prop_assert_eq!(name.as_str(), text);
        }
    }

    #[test]
    fn every_second_of_the_calendar_goes_there_and_back(unix_secs in 0u64..253_402_300_800) {
        let time = UNIX_EPOCH + Duration::from_secs(unix_secs);
        prop_assert_eq!(system_time_from_secs(secs_from_system_time(time).unwrap()), Ok(Some(time)));
        prop_assert_eq!(system_time_from_text(&text_from_system_time(time).unwrap()), Ok(Some(time)));
    }

    #[test]
    fn no_number_and_no_text_of_a_time_panics(secs in any::<i64>(), text in any::<String>()) {
        let _ = system_time_from_secs(secs);
        let _ = system_time_from_text(&text);
    }

    /// Against a list that is searched from the start each time.
    #[test]
    fn metadata_do_as_a_plain_list_does(
        steps in vec((any::<bool>(), vec(("[aAbBcC]{0,2}", "[xy]"), 0..3)), 0..12),
    ) {
        let mut set = Metadata::new();
        let mut list: Vec<(String, String)> = Vec::new();
        let is_same = |a: &str, b: &str| a.eq_ignore_ascii_case(b);
        for (adds, entries) in steps {
            if adds {
                let mut longer = list.clone();
                let mut is_allowed = true;
                for (key, value) in &entries {
                    is_allowed &= !key.is_empty() && !longer.iter().any(|(other, _)| is_same(other, key));
                    longer.push((key.clone(), value.clone()));
                }
                prop_assert_eq!(set.add(entries).is_ok(), is_allowed);
                if is_allowed {
                    list = longer;
                }
            } else {
                list.retain(|(key, _)| !entries.iter().any(|(other, _)| is_same(other, key)));
                set.remove(entries.iter().map(|(key, _)| key));
            }
            let mut sorted = list.clone();
            sorted.sort_by_key(|(key, _)| key.to_lowercase());
            let read: Vec<(String, String)> =
                set.iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
            prop_assert_eq!(read, sorted);
        }
    }
}
