//! The C header, the Python module and the protocol's page name the same numbers as the code.
#![allow(clippy::unwrap_used, reason = "a failing helper is a failing test")]

use std::path::Path;

use lantern_fastio::ElementType;
use lantern_fastio::wire::{Level, RefusalCode};

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// `BadFrame` as `BAD_FRAME`.
fn upper(name: &str) -> String {
    let mut text = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !text.is_empty() {
            text.push('_');
        }
        text.push(letter.to_ascii_uppercase());
    }
    text
}

#[test]
fn the_header_has_the_numbers_of_the_code() {
    let header = read("include/lantern_fastio.h");
    let has = |name: String, number: u16| {
        let line = header.lines().find(|line| line.trim_start().starts_with(&format!("LANTERN_{name} =")));
        let line = line.unwrap_or_else(|| panic!("{name} is missing"));
        let value = line.split('=').nth(1).unwrap().trim().split([',', ' ']).next().unwrap();
        assert_eq!(value, number.to_string(), "{name}");
    };
    for element in ElementType::ALL {
        has(element.name().to_uppercase(), element.code().into());
    }
    for level in (1..).map_while(Level::from_code) {
        has(level.name().to_uppercase(), level as u16);
    }
    for code in (1..).map_while(RefusalCode::from_code) {
        has(upper(&format!("{code:?}")), code as u16);
    }
}

#[test]
fn the_python_module_has_the_names_of_the_code() {
    let module = read("python/lantern_fastio.py");
    let elements: Vec<String> =
        ElementType::ALL.iter().map(|element| format!("\"{}\"", element.name())).collect();
    assert!(module.contains(&format!("ELEMENTS = ({})", elements.join(", "))));
    for code in (1..).map_while(RefusalCode::from_code) {
        let words = upper(&format!("{code:?}")).to_lowercase().replace('_', " ");
        assert!(module.contains(&format!("{}: \"{words}\"", code as u16)), "{words}");
    }
    for level in (1..).map_while(Level::from_code) {
        assert!(module.contains(&format!("\"{}\": {}", level.name(), level as u8)));
    }
}

#[test]
fn the_header_declares_every_function_of_the_library_and_no_other() {
    let functions = |text: &str| {
        let mut names: Vec<String> = text
            .match_indices("lantern_fastio_")
            .filter_map(|(at, _)| {
                let name: String =
                    text[at..].chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
                text[at + name.len()..].starts_with('(').then_some(name)
            })
            .collect();
        names.sort();
        names.dedup();
        names
    };
    let header = read("include/lantern_fastio.h");
    // Behind the example at the top.
    let (_, declarations) = header.split_once("extern \"C\"").unwrap();
    assert_eq!(functions(declarations), functions(&read("src/ffi.rs")));
    let module = read("python/lantern_fastio.py");
    for name in functions(declarations) {
        let name = name.trim_start_matches("lantern_fastio_");
        assert!(module.contains(&format!("(\"{name}\", ")), "{name}");
    }
}

#[test]
fn the_page_has_the_numbers_of_the_code() {
    let page = read("../docs/fastio.md");
    for element in ElementType::ALL {
        assert!(page.contains(&format!("{} `{}`", element.code(), element.name())), "{element}");
    }
    let codes = page.lines().find(|line| line.starts_with("Codes:")).unwrap();
    assert_eq!(
        (1..).map_while(RefusalCode::from_code).count(),
        codes.split(|c: char| !c.is_ascii_digit()).filter(|part| !part.is_empty()).count()
    );
}
