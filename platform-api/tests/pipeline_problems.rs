//! What is wrong with a definition is said with its place, and all of it at once.

use platform_api::pipeline::{DefinitionFile, MAX_PROBLEMS, Pipeline};

fn messages(files: &[(&str, &str)]) -> Vec<String> {
    let files = files
        .iter()
        .map(|(path, content)| DefinitionFile { path: (*path).to_owned(), content: (*content).to_owned() })
        .collect();
    match Pipeline::from_files(files) {
        Ok(_) => Vec::new(),
        Err(error) => error.messages(),
    }
}

/// The first line is right behind the opening quote.
#[track_caller]
fn check(text: &str, expected: &[&str]) {
    assert_eq!(messages(&[("p.yaml", text)]), expected);
}

/// A pipeline of version 0.4.0 with these operators.
#[track_caller]
fn check_operators(operators: &str, expected: &[&str]) {
    check(&format!("api-version: 0.4.0\nname: p\noperators:\n{operators}"), expected);
}

/// A pipeline of version 0.5.0 with these inputs and outputs of `b`, which may read from `a`.
#[track_caller]
fn check_ports(ports: &str, expected: &[&str]) {
    let text = format!(
        "api-version: 0.5.0
name: p
operators:
- name: a
  container: {{image: i}}
  output:
  - {{name: files, path: /files, type: stream, element-type: dicom}}
  - {{name: voxels, type: array, element-type: int16, shape: [-1, 512]}}
  - {{name: title, type: string}}
- name: b
  container: {{image: i}}
{ports}"
    );
    check(&text, expected);
}

#[test]
fn misspelt_keys_are_named_with_what_was_meant() {
    check(
        "api-version: 0.4.0
nmae: p
name: p
operators:
- name: a
  contianer: {image: i}
  container: {image: i, comand: [x], volume: y}
  requests: {cpus: 1}
",
        &[
            "p.yaml:2:1: unknown key `nmae` of a pipeline; did you mean `name`?",
            "p.yaml:6:3: unknown key `contianer` of an operator; did you mean `container`?",
            "p.yaml:7:25: unknown key `comand` of a container; did you mean `command`?",
            "p.yaml:7:38: unknown key `volume` of a container",
            "p.yaml:8:14: unknown key `cpus` of `requests`; did you mean `cpu`?",
        ],
    );
}

#[test]
fn missing_and_repeated_keys_are_named() {
    check(
        "description: x\noperators:\n- name: a\n  name: b\n",
        &[
            "p.yaml:1:1: a pipeline needs the key `api-version`",
            "p.yaml:1:1: a pipeline needs the key `name`",
            "p.yaml:4:3: key `name` comes twice",
            "p.yaml:3:3: an operator needs the key `container`",
        ],
    );
    check(
        "api-version: 0.4.0\nname: p\noperators:\n- container: {tag: x}\n",
        &["p.yaml:4:3: an operator needs the key `name`", "p.yaml:4:14: a container needs the key `image`"],
    );
    check("api-version: 0.4.0\nname: p\n", &["p.yaml:1:1: a pipeline needs the key `operators`"]);
    check("api-version: 0.4.0\nname: p\noperators: []\n", &["p.yaml:3:12: the pipeline has no operators"]);
}

#[test]
fn what_is_no_pipeline_is_refused() {
    assert_eq!(messages(&[]), ["there is no definition file"]);
    check("", &["p.yaml:1:1: the file is empty"]);
    check("- a\n", &["p.yaml:1:1: a pipeline must be a mapping"]);
    check(
        "name: a\ncontainer: {image: i}\n",
        &["p.yaml:1:1: this is an operator, not a pipeline: it has no `operators`"],
    );
    check(
        "api-version: 0.9.0\nname: p\norchestrator: Slurm\noperators: [{name: a, container: {image: i}}]\n",
        &[
            "p.yaml:1:14: `0.9.0` is no version that there is; versions go from 0.1.0 to 0.7.0",
            "p.yaml:3:15: `Slurm` is no orchestrator; there are `Clara` and `Argo`",
        ],
    );
    check(
        "api-version: 0.5.0\nname: p\norchestrator: Argo\noperators: [{name: a, container: {image: i}}]\n",
        &["p.yaml:3:15: typed inputs and outputs need the orchestrator `Clara`"],
    );
}

#[test]
fn names_follow_their_rules_and_are_unique_without_letter_case() {
    check_operators(
        "- {name: a.b, container: {image: i}}
- {name: Cut, container: {image: i}}
- {name: cut, container: {image: i}}
- {name: Clara-Pod-Manager, container: {image: i}}
- {name: x, container: {image: i}, output: [{name: o, path: /o}, {name: O, path: /p}, {path: /q}]}
",
        &[
            "p.yaml:4:10: `a.b` is no name of an operator: 1 to 255 letters, digits, hyphens and underscores",
            "p.yaml:7:10: the operator name `Clara-Pod-Manager` is reserved",
            "p.yaml:8:66: output `O` comes twice; letter case makes no difference",
            "p.yaml:8:87: an output without a name must be the only one",
            "p.yaml:6:10: the operator name `cut` comes twice; letter case makes no difference",
        ],
    );
    let long = "n".repeat(256);
    let text =
        format!("api-version: 0.4.0\nname: {long}\noperators: [{{name: a, container: {{image: i}}}}]\n");
    assert_eq!(messages(&[("p.yaml", &text)]).len(), 1);
}

#[test]
fn operators_and_outputs_that_do_not_exist_are_named_with_what_was_meant() {
    check_operators(
        "- {name: reader, container: {image: i}, output: [{name: images, path: /o}]}
- {name: b, container: {image: i}, input: [{from: raeder, path: /i}]}
- {name: c, container: {image: i}, input: [{from: reader, name: image, path: /i}]}
- {name: d, container: {image: i}, input: [{from: reader, name: masks, path: /i}]}
",
        &[
            "p.yaml:5:51: no operator is called `raeder`; did you mean `reader`?",
            "p.yaml:6:65: operator `reader` has no output `image`; did you mean `images`?",
            "p.yaml:7:65: operator `reader` has no output `masks`",
        ],
    );
}

#[test]
fn circles_are_named_in_the_direction_of_the_data() {
    check_operators(
        "- {name: start, container: {image: i}, output: [{path: /o}]}
- {name: a, container: {image: i}, input: [{from: start, path: /s}, {from: c, path: /i}], output: [{path: /o}]}
- {name: b, container: {image: i}, input: [{from: a, path: /i}], output: [{path: /o}]}
- {name: c, container: {image: i}, input: [{from: b, path: /i}], output: [{path: /o}]}
- {name: end, container: {image: i}, input: [{from: c, path: /i}]}
- {name: self, container: {image: i}, input: [{from: self, path: /i}], output: [{path: /o}]}
",
        &[
            "p.yaml:5:10: operators read from each other in a circle: b → c → a → b",
            "p.yaml:9:10: operators read from each other in a circle: self → self",
        ],
    );
}

#[test]
fn placeholders_must_be_declared_and_whole() {
    check(
        "api-version: 0.4.0
name: p-${{SIZE}}
parameters: {SIZE: 1, b.c: 2, D: '${{SIZE}}'}
operators:
- name: a
  container: {image: 'i${{SIZ}}', command: ['${{SIZE', '${{}}', 'fine ${{size}}']}
  input: [{path: '/in/${{SIZE}}'}]
",
        &[
            "p.yaml:3:23: `b.c` is no name of a parameter: 1 to 255 letters, digits, hyphens and underscores",
            "p.yaml:3:34: defaults of parameters may not hold placeholders",
            "p.yaml:2:7: a name must be known before a job starts, so it may not use parameters of the pipeline",
            "p.yaml:6:22: parameter `SIZ` is not declared; did you mean `SIZE`?",
            "p.yaml:6:45: a placeholder begins here and is not closed, or holds no name",
            "p.yaml:6:56: a placeholder begins here and is not closed, or holds no name",
            "p.yaml:7:18: a path must be known before a job starts, so it may not use parameters of the pipeline",
        ],
    );
}

#[test]
fn requests_are_whole_numbers_also_through_parameters() {
    check(
        "api-version: 0.4.0
name: p
parameters: {CPUS: two}
timeout: 0
operators:
- name: a
  container: {image: i}
  timeout: 1.5
  requests: {cpu: 1.5, gpu: -1, memory: 1Gi, shared-memory: 4294967296, network: maybe}
- name: b
  container: {image: i}
  requests: {cpu: '${{CPUS}}', memory: 10, shared-memory: 11}
",
        &[
            "p.yaml:9:82: `maybe` is neither `true` nor `false`, as `network` needs it",
            "p.yaml:9:19: `1.5` is no whole number from 1 to 4294967295, as `cpu` needs it",
            "p.yaml:9:29: `-1` is no whole number from 0 to 4294967295, as `gpu` needs it",
            "p.yaml:9:41: `1Gi` is no whole number from 1 to 4294967295, as `memory` needs it",
            "p.yaml:9:61: `4294967296` is no whole number from 0 to 4294967295, as `shared-memory` needs it",
            "p.yaml:8:12: `1.5` is no whole number from 1 to 31622400, as `timeout` needs it",
            "p.yaml:12:19: `two` is no whole number from 1 to 4294967295, as `cpu` needs it",
            "p.yaml:12:59: the operator asks for 11 MB of shared memory, which is part of its 10 MB of memory",
            "p.yaml:4:10: `0` is no whole number from 1 to 31622400, as `timeout` needs it",
        ],
    );
}

#[test]
fn paths_of_containers_are_absolute_and_used_once() {
    check_operators(
        "- name: a
  container: {image: i}
  input: [{path: in}, {path: /a/../b}, {path: /}, {path: /data/}, {}]
  output: [{name: x, path: //data}, {name: y, path: /proc/x}]
",
        &[
            "p.yaml:6:18: `in` is no absolute path of a folder that data may be in",
            "p.yaml:6:30: `/a/../b` is no absolute path of a folder that data may be in",
            "p.yaml:6:47: `/` is no absolute path of a folder that data may be in",
            "p.yaml:6:67: an input needs the key `path`",
            "p.yaml:7:53: `/proc/x` is no absolute path of a folder that data may be in",
            "p.yaml:7:12: path `/data` is used twice by this operator",
        ],
    );
}

#[test]
fn keys_of_later_versions_are_named_with_the_version_that_has_them() {
    check_operators(
        "- name: a
  container: {image: i}
  models: [{name: m}]
  input: [{path: /i, type: stream}]
",
        &[
            "p.yaml:7:22: `type` needs api-version 0.5.0, this is 0.4.0",
            "p.yaml:6:3: `models` needs api-version 0.6.0, this is 0.4.0",
        ],
    );
}

#[test]
fn each_type_has_its_own_keys() {
    check_ports(
        "  input:
  - {path: /i}
  - {path: /j, type: stream, shape: [1]}
  - {type: stream, element-type: dicom}
  - {type: array, element-type: int16, shape: [1]}
  output:
  - {type: int32}
  - {name: a, type: array, path: /a}
  - {name: b, type: array, element-type: int12, shape: [0, -2, x]}
  - {name: c, type: array, element-type: f32, shape: []}
  - {name: d, type: f32, element-type: f32, shape: [1], path: /d}
  - {name: e, type: srting}
",
        &[
            "p.yaml:13:5: an input needs the key `type`",
            "p.yaml:14:30: an input may not have the key `shape`: a stream has no shape",
            "p.yaml:14:5: an input needs the key `element-type`",
            "p.yaml:15:5: an input needs the key `path`",
            "p.yaml:16:6: the input of a job is files, so the type must be `stream`",
            "p.yaml:18:5: an output needs the key `name`",
            "p.yaml:19:28: an output may not have the key `path`: its data is in shared memory",
            "p.yaml:19:5: an output needs the key `element-type`",
            "p.yaml:19:5: an output needs the key `shape`",
            "p.yaml:20:42: `int12` is no number type; did you mean `int16`?",
            "p.yaml:20:57: `0` is no length: a whole number from 1 on, or -1 for one that is known only at run time",
            "p.yaml:20:60: `-2` is no length: a whole number from 1 on, or -1 for one that is known only at run time",
            "p.yaml:20:64: `x` is no length: a whole number from 1 on, or -1 for one that is known only at run time",
            "p.yaml:21:54: a shape has 1 to 16 lengths",
            "p.yaml:22:57: an output may not have the key `path`: its data is in shared memory",
            "p.yaml:22:26: an output may not have the key `element-type`: the type says it already",
            "p.yaml:22:45: an output may not have the key `shape`: the type says it already",
            "p.yaml:23:21: `srting` is no type; did you mean `string`?",
        ],
    );
}

#[test]
fn an_input_takes_what_its_output_gives() {
    check_ports(
        "  input:
  - {from: a, name: files, path: /i, type: stream, element-type: nifti}
  - {from: a, name: voxels, type: array, element-type: uint16, shape: [-1, 512]}
  - {from: a, name: voxels, type: array, element-type: int16, shape: [512]}
  - {from: a, name: voxels, type: array, element-type: int16, shape: [7, 256]}
  - {from: a, name: voxels, path: /j, type: stream, element-type: dicom}
  - {from: a, path: /k, type: stream, element-type: dicom}
  - {from: a, name: title, type: array, element-type: u8, shape: [9]}
",
        &[
            "p.yaml:13:5: this input takes a stream of nifti, but output `files` of `a` gives a stream of dicom",
            "p.yaml:14:5: this input takes an array of uint16 [-1, 512], but output `voxels` of `a` gives an array \
             of int16 [-1, 512]",
            "p.yaml:15:5: this input takes an array of int16 [512], but output `voxels` of `a` gives an array of \
             int16 [-1, 512]",
            "p.yaml:16:5: this input takes an array of int16 [7, 256], but output `voxels` of `a` gives an array of \
             int16 [-1, 512]",
            "p.yaml:17:5: this input takes a stream of dicom, but output `voxels` of `a` gives an array of int16 \
             [-1, 512]",
            "p.yaml:18:5: operator `a` has named outputs, so the input needs a `name`",
        ],
    );
}

#[test]
fn operators_of_different_versions_cannot_pass_memory_for_files() {
    check_ports(
        "  api-version: 0.4.0
  input: [{from: a, name: voxels, path: /i}, {from: a, name: files, path: /j}]
  output: [{path: /o}]
- name: c
  container: {image: i}
  input: [{from: b, type: array, element-type: u8, shape: [-1]}]
",
        &[
            "p.yaml:13:11: this input takes files, but output `voxels` of `a` gives an array of int16 [-1, 512]",
            "p.yaml:17:11: this input takes an array of uint8 [-1], but operator `b` gives files",
        ],
    );
}

#[test]
fn imports_are_refused_with_the_place_in_the_right_file() {
    let main = "api-version: 0.4.0
name: p
operators:
- {name: a, import: {path: missing.yaml}}
- {name: b, import: {path: op.yaml, args: {levl: 1}}, container: {image: i}}
- {name: c, import: {path: again.yaml}}
- {name: d, import: {path: broken.yaml}}
- {name: e, import: {path: p.yaml}}
- {name: f, container: {image: i}, input: [{from: a, name: x, path: /i}]}
";
    let operator = "parameters: {level: 1}\ncontainer: {image: i, tagg: x}\ninput: [{path: '/${{lvl}}'}]\n";
    let expected = [
        "p.yaml:4:28: no file `missing.yaml` was sent along",
        "p.yaml:5:55: an operator may not have the key `container`: the imported file has it",
        "p.yaml:5:44: parameter `levl` is not declared; did you mean `level`?",
        "op.yaml:2:23: unknown key `tagg` of a container; did you mean `tag`?",
        "op.yaml:3:16: parameter `lvl` is not declared; did you mean `level`?",
        "again.yaml:1:1: an imported file must be one operator, and may not import again",
    ];
    let files = [
        ("p.yaml", main),
        ("op.yaml", operator),
        ("again.yaml", "import: {path: op.yaml}\n"),
        ("broken.yaml", "a: [\n"),
    ];
    let found = messages(&files);
    assert_eq!(found[..expected.len()], expected);
    assert!(found[6].starts_with("broken.yaml:") && found[6].contains("not YAML"), "{}", found[6]);
    assert_eq!(found[7], "p.yaml:1:1: an imported file must be one operator, and may not import again");
    assert_eq!(found.len(), 8, "what a broken import would have had is not missed: {found:#?}");
}

#[test]
fn services_are_checked_too() {
    check_operators(
        "- name: a
  container: {image: i}
  variables: {1X: a, OK: [b]}
  services:
  - name: s
    container: {}
    requests: {memory: x}
    connections: {http: [{port: 80}, {name: 'A=B'}, {name: URI, port: 80}]}
",
        &[
            "p.yaml:6:15: `1X` is no name of an environment variable",
            "p.yaml:6:26: the value of a variable must be a text",
            "p.yaml:9:16: a container needs the key `image`",
            "p.yaml:11:26: a connection needs the key `name`",
            "p.yaml:11:45: `A=B` is no name of an environment variable",
            "p.yaml:11:71: `80` is no port from 1024 to 65535",
            "p.yaml:10:24: `x` is no whole number from 1 to 4294967295, as `memory` needs it",
        ],
    );
}

#[test]
fn only_so_many_problems_are_told() {
    let operators = "- {name: a}\n".repeat(200);
    let text = format!("api-version: 0.4.0\nname: p\noperators:\n{operators}");
    let found = messages(&[("p.yaml", &text)]);
    assert_eq!(found.len(), MAX_PROBLEMS + 1);
    assert_eq!(found.last().map(String::as_str), Some("and 299 more"));
}
