//! Holds the compiled schema against the tables of what published clients expect, in both directions.
//!
//! The tables in `tests/facts/` come from the published clients' own descriptors, not from our `.proto` files.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::BTreeSet;

use platform_api::proto::FILE_DESCRIPTOR_SET;
use prost::Message;
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{DescriptorProto, FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet};

type Row = Vec<String>;

fn table(text: &str) -> BTreeSet<Row> {
    let rows: Vec<Row> =
        text.lines().skip(1).map(|line| line.split('\t').map(str::to_owned).collect()).collect();
    let set: BTreeSet<Row> = rows.iter().cloned().collect();
    assert_eq!(rows.len(), set.len(), "a fact is written twice");
    set
}

fn files() -> Vec<FileDescriptorProto> {
    let set = FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).unwrap();
    set.file.into_iter().filter(|file| file.package().starts_with("nvidia.")).collect()
}

/// Fails with the rows that one side lacks.
#[track_caller]
fn check(ours: Vec<Row>, facts: &str) {
    let facts = table(facts);
    let count = ours.len();
    let ours: BTreeSet<Row> = ours.into_iter().collect();
    assert_eq!(count, ours.len(), "the schema says something twice");
    let missing: Vec<_> = facts.difference(&ours).collect();
    let surplus: Vec<_> = ours.difference(&facts).collect();
    assert!(missing.is_empty() && surplus.is_empty(), "missing {missing:#?}, surplus {surplus:#?}");
}

fn row<const N: usize>(cells: [&str; N]) -> Row {
    cells.map(str::to_owned).to_vec()
}

fn scalar(kind: Type) -> &'static str {
    match kind {
        Type::String => "string",
        Type::Bytes => "bytes",
        Type::Bool => "bool",
        Type::Float => "float",
        Type::Int32 => "int32",
        Type::Int64 => "int64",
        Type::Uint32 => "uint32",
        Type::Uint64 => "uint64",
        Type::Sint32 => "sint32",
        Type::Sint64 => "sint64",
        other => panic!("{other:?} is on no page of the published schema"),
    }
}

fn type_name(field: &FieldDescriptorProto) -> String {
    match field.r#type() {
        Type::Message | Type::Enum => field.type_name().trim_start_matches('.').to_owned(),
        kind => scalar(kind).to_owned(),
    }
}

fn messages(path: &str, message: &DescriptorProto, found: &mut Vec<(String, DescriptorProto)>) {
    if message.options.as_ref().is_some_and(|options| options.map_entry()) {
        return;
    }
    let path = format!("{path}.{}", message.name());
    for nested in &message.nested_type {
        messages(&path, nested, found);
    }
    found.push((path, message.clone()));
}

fn all_messages(file: &FileDescriptorProto) -> Vec<(String, DescriptorProto)> {
    let mut found = Vec::new();
    for message in &file.message_type {
        messages(file.package(), message, &mut found);
    }
    found
}

fn field_row(file: &str, path: &str, message: &DescriptorProto, field: &FieldDescriptorProto) -> Row {
    let name = type_name(field);
    let entry = message.nested_type.iter().find(|nested| format!("{path}.{}", nested.name()) == name);
    let (label, name) = match entry {
        Some(entry) if entry.options.as_ref().is_some_and(|options| options.map_entry()) => {
            let [key, value] = entry.field.as_slice() else { panic!("{path}: a map entry has two fields") };
            ("map", format!("map<{}, {}>", type_name(key), type_name(value)))
        }
        _ if field.label() == Label::Repeated => ("repeated", name),
        _ => ("single", name),
    };
    let is_deprecated = field.options.as_ref().is_some_and(|options| options.deprecated());
    let note = if is_deprecated { "deprecated" } else { "" };
    row([file, path, &field.number().to_string(), field.name(), label, &name, note])
}

#[test]
fn files_packages_and_imports_are_those_of_the_published_schema() {
    let mut ours = Vec::new();
    for file in files() {
        assert_eq!(file.syntax(), "proto3", "{}", file.name());
        let count = all_messages(&file).len().to_string();
        ours.push(row([file.name(), file.package(), &count, &file.dependency.join(",")]));
    }
    check(ours, include_str!("facts/files.tsv"));
}

#[test]
fn services_and_their_calls_are_those_of_the_published_schema() {
    let mut ours = Vec::new();
    for file in files() {
        for service in &file.service {
            for method in &service.method {
                let kind = match (method.client_streaming(), method.server_streaming()) {
                    (false, false) => "unary",
                    (true, false) => "client stream",
                    (false, true) => "server stream",
                    (true, true) => "both streams",
                };
                ours.push(row([
                    &format!("{}.{}", file.package(), service.name()),
                    method.name(),
                    method.input_type().trim_start_matches('.'),
                    method.output_type().trim_start_matches('.'),
                    kind,
                ]));
            }
        }
    }
    assert_eq!(ours.len(), 43);
    check(ours, include_str!("facts/services.tsv"));
}

#[test]
fn enumerations_are_those_of_the_published_schema() {
    let mut ours = Vec::new();
    for file in files() {
        for (path, message) in all_messages(&file) {
            assert!(message.enum_type.is_empty(), "{path}: the published schema nests no enumeration");
        }
        for enumeration in &file.enum_type {
            let name = format!("{}.{}", file.package(), enumeration.name());
            for value in &enumeration.value {
                ours.push(row([&name, value.name(), &value.number().to_string()]));
            }
        }
    }
    check(ours, include_str!("facts/enums.tsv"));
}

#[test]
fn messages_and_their_fields_are_those_of_the_published_schema() {
    let mut ours = Vec::new();
    for file in files() {
        for (path, message) in all_messages(&file) {
            assert!(message.oneof_decl.is_empty(), "{path}: the published schema has no oneof");
            assert!(message.reserved_range.is_empty() && message.extension_range.is_empty(), "{path}");
            for field in &message.field {
                ours.push(field_row(file.name(), &path, &message, field));
            }
        }
    }
    check(ours, include_str!("facts/fields.tsv"));
}

#[test]
fn numbers_of_each_message_are_unique_and_our_own_files_are_there_too() {
    let set = FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).unwrap();
    let own = set.file.iter().filter(|file| file.package() == "lantern.platform.v1");
    let own: BTreeSet<&str> = own.filter_map(|file| file.name().rsplit('/').next()).collect();
    let expected =
        ["access.proto", "events.proto", "jobs.proto", "logs.proto", "payloads.proto", "server.proto"];
    assert_eq!(own, expected.into());
    for file in &set.file {
        for (path, message) in all_messages(file) {
            let numbers: BTreeSet<i32> = message.field.iter().map(|field| field.number()).collect();
            assert_eq!(numbers.len(), message.field.len(), "{path}");
        }
    }
}
