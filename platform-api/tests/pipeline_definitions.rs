//! Whole definitions: what they say, what they become, and what a job of them runs.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::BTreeMap;
use std::time::Duration;

use platform_api::pipeline::{
    ApiVersion, Capacity, DefinitionFile, JobPlan, NumberType, Orchestrator, Pipeline, PortType,
    RequestDefaults, Source,
};

fn file(path: &str, content: &str) -> DefinitionFile {
    DefinitionFile { path: path.to_owned(), content: content.to_owned() }
}

#[track_caller]
fn pipeline(files: &[(&str, &str)]) -> Pipeline {
    let files = files.iter().map(|(path, content)| file(path, content)).collect();
    Pipeline::from_files(files).unwrap_or_else(|error| panic!("{error}"))
}

#[track_caller]
fn plan(pipeline: &Pipeline, variables: &[(&str, &str)]) -> JobPlan {
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    pipeline.instantiate(&variables, &RequestDefaults::default()).unwrap_or_else(|error| panic!("{error}"))
}

fn refusals(pipeline: &Pipeline, variables: &[(&str, &str)]) -> Vec<String> {
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    pipeline.instantiate(&variables, &RequestDefaults::default()).unwrap_err().messages()
}

/// Two operators that exchange files, and a parameter.
const FILES_AND_A_PARAMETER: &str = r#"
api-version: 0.4.0
name: word-count
description: Takes the first words of each text and counts them.
orchestrator: Clara
timeout: ${{LIMIT}}
parameters:
  FIRST: 5
  LIMIT: "90"
  UNUSED:
operators:
- name: Head
  description: Cuts.
  container:
    image: example.org/text
    tag: 1.20
    command: [sh, -c, "head -n ${{ first }} /in/*.txt > /out/${{FIRST}}.txt"]
  requests: {cpu: 2, memory: 256}
  input:
  - path: /in
  output:
  - path: /out/
- name: counter
  container:
    image: example.org/text
  variables:
    LANG: C.${{FIRST}}
    EMPTY:
  timeout: 30
  input:
  - from: head
    path: /words
  output:
  - name: counts
    path: /counts
"#;

#[test]
fn operators_that_exchange_files_become_a_graph_with_places_on_disk() {
    let pipeline = pipeline(&[("./word-count.yaml", FILES_AND_A_PARAMETER)]);
    assert_eq!(pipeline.name(), "word-count");
    assert_eq!(pipeline.api_version(), ApiVersion::CLARA);
    assert_eq!(pipeline.orchestrator(), Orchestrator::Clara);
    let [head, counter] = pipeline.operators() else { panic!("two operators") };
    assert_eq!((head.name.as_str(), head.depends_on.len()), ("Head", 0));
    assert_eq!(head.inputs[0].source, Source::Job);
    assert_eq!(head.inputs[0].payload_folder.as_deref(), Some("input"));
    assert_eq!(head.outputs[0].payload_folder.as_deref(), Some("operators/Head"));
    assert_eq!(head.outputs[0].path.as_deref(), Some("/out"));
    assert_eq!(counter.depends_on, [0]);
    assert_eq!(counter.inputs[0].source, Source::Operator { operator: 0 });
    assert_eq!(counter.inputs[0].payload_folder.as_deref(), Some("operators/Head"));
    assert_eq!(counter.outputs[0].payload_folder.as_deref(), Some("operators/counter/counts"));
    assert_eq!(pipeline.followers(), [vec![1], vec![]]);
    let place = counter.place.as_ref().unwrap().to_string();
    assert_eq!(place, "./word-count.yaml:23:3");
    let remarks: Vec<String> = pipeline.remarks().iter().map(ToString::to_string).collect();
    assert_eq!(remarks, ["./word-count.yaml:10:3: parameter `UNUSED` is not used"]);
}

#[test]
fn a_job_runs_with_its_variables_and_the_defaults_of_the_others() {
    let pipeline = pipeline(&[("a.yaml", FILES_AND_A_PARAMETER)]);
    let plan_with = plan(&pipeline, &[("first", "7")]);
    let [head, counter] = plan_with.operators.as_slice() else { panic!("two operators") };
    assert_eq!(head.command[2], "head -n 7 /in/*.txt > /out/7.txt");
    assert_eq!((head.image.as_str(), head.tag.as_str()), ("example.org/text", "1.20"));
    assert_eq!((head.requests.cpus, head.requests.gpus), (2, 0));
    assert_eq!(head.requests.memory_bytes, 256 << 20);
    assert_eq!(head.requests.timeout, None);
    assert_eq!((counter.tag.as_str(), counter.command.len()), ("latest", 0));
    assert_eq!(counter.requests.memory_bytes, 1 << 30);
    assert_eq!(counter.requests.timeout, Some(Duration::from_secs(30)));
    let variables =
        BTreeMap::from([("EMPTY".to_owned(), String::new()), ("LANG".to_owned(), "C.7".to_owned())]);
    assert_eq!(counter.variables, variables);
    assert_eq!(plan_with.timeout, Some(Duration::from_secs(90)));
    assert_eq!(plan(&pipeline, &[]).operators[0].command[2], "head -n 5 /in/*.txt > /out/5.txt");
}

#[test]
fn variables_that_nobody_declared_or_that_do_not_fit_are_refused() {
    let pipeline = pipeline(&[("a.yaml", FILES_AND_A_PARAMETER)]);
    assert_eq!(
        refusals(&pipeline, &[("FIRTS", "7"), ("other", "")]),
        [
            "the pipeline has no parameter `FIRTS`; did you mean `FIRST`?",
            "the pipeline has no parameter `other`",
        ]
    );
    assert_eq!(
        refusals(&pipeline, &[("FIRST", "1"), ("first", "2")]),
        ["variable `first` comes twice; letter case makes no difference"]
    );
    assert_eq!(refusals(&pipeline, &[("FIRST", "a\0b")]), ["variable `FIRST` holds a NUL character"]);
    assert_eq!(
        refusals(&pipeline, &[("LIMIT", "soon")]),
        ["a.yaml:6:10: `soon` is no whole number from 1 to 31622400, as `timeout` needs it"]
    );
    let huge = "x".repeat(9 << 20);
    assert_eq!(
        refusals(&pipeline, &[("FIRST", &huge)]),
        ["bytes of the job's texts with all values: 28311636, more than 16777216"]
    );
}

#[test]
fn an_update_of_a_value_is_not_read_as_a_placeholder() {
    let pipeline = pipeline(&[("a.yaml", FILES_AND_A_PARAMETER)]);
    let plan = plan(&pipeline, &[("FIRST", "${{LIMIT}}")]);
    assert_eq!(plan.operators[1].variables["LANG"], "C.${{LIMIT}}");
}

/// Operators that hand over an array in shared memory.
const TYPED: &str = r"
api-version: 0.5.0
name: typed
operators:
- name: load
  container: {image: example.org/load}
  requests: {memory: 4096, shared-memory: 2048}
  input:
  - {path: /in, type: stream, element-type: DICOM}
  output:
  - {name: voxels, type: array, element-type: i16, shape: [-1, 512, 512]}
  - {name: title, type: string}
- name: measure
  container: {image: example.org/measure}
  input:
  - {from: load, name: Voxels, type: array, element-type: int16, shape: [100, 512, -1]}
  - {from: load, name: title, type: array, element-type: u8, shape: [-1]}
  output:
  - {name: report, path: /report, type: stream, element-type: json}
  - {name: largest, type: f32}
";

#[test]
fn typed_operators_share_arrays_in_memory() {
    let pipeline = pipeline(&[("typed.yaml", TYPED)]);
    let [load, measure] = pipeline.operators() else { panic!("two operators") };
    assert_eq!(load.inputs[0].port_type, Some(PortType::Stream { format: "DICOM".to_owned() }));
    let voxels = PortType::Array { element: NumberType::Int16, shape: vec![None, Some(512), Some(512)] };
    assert_eq!(load.outputs[0].port_type, Some(voxels));
    assert_eq!((&load.outputs[0].path, &load.outputs[0].payload_folder), (&None, &None));
    assert_eq!(measure.inputs[0].source, Source::Output { operator: 0, output: 0 });
    assert_eq!(measure.inputs[1].source, Source::Output { operator: 0, output: 1 });
    let number = PortType::Array { element: NumberType::Float32, shape: vec![Some(1)] };
    assert_eq!(measure.outputs[1].port_type, Some(number));
    assert_eq!(measure.outputs[0].payload_folder.as_deref(), Some("operators/measure/report"));
    assert_eq!(measure.depends_on, [0]);
    let requests = plan(&pipeline, &[]).operators[0].requests;
    assert_eq!((requests.memory_bytes, requests.shared_memory_bytes), (4096 << 20, 2048 << 20));
}

/// A model, a GPU, a service, and an operator in a file of its own.
const WITH_IMPORTS: &str = r#"
api-version: 0.6.0
name: with-imports
pull-secrets: [ngc-clara]
parameters:
  VERBOSITY: loud
operators:
- name: reader
  import:
    path: shared/Reader.yaml
    args:
      level: very ${{VERBOSITY}}
- name: second-reader
  description: The same once more.
  import:
    path: ./shared/reader.yaml
- name: segment
  container:
    image: example.org/segment
    tag: "3.0"
  requests: {cpu: 2, gpu: 1, memory: 8192, network: true}
  variables: {CLARA_TRACE: 2}
  models:
  - name: organ_model
  services:
  - name: server
    import: {path: shared/service.yaml}
    connections:
      http: [{name: SERVER_URI, port: 8000}]
  input:
  - {from: reader, name: images, path: /input, type: stream, element-type: nifti}
  - {from: second-reader, name: images, path: /second, type: stream, element-type: nifti}
  output:
  - {name: masks, path: /output, type: stream, element-type: nifti}
"#;

const READER: &str = r#"
api-version: 0.6.0
name: reader
description: Reads.
parameters:
  level: quiet
  format: nifti
container:
  image: example.org/reader
  command: [/reader, --log, "${{ level }}"]
input:
- {path: /input, type: stream, element-type: dicom}
output:
- {name: images, path: /output, type: stream, element-type: "${{format}}"}
"#;

const SERVICE: &str = "
name: inference
container: {image: example.org/server, command: [serve]}
connections:
  http: [{name: URI}]
";

fn with_imports() -> Pipeline {
    pipeline(&[
        ("../p/main.yaml", WITH_IMPORTS),
        ("../p/shared/reader.yaml", READER),
        ("../p/shared/service.yaml", SERVICE),
        ("../p/notes.yaml", "- anything"),
    ])
}

#[test]
fn imported_operators_take_arguments_that_may_use_parameters() {
    let pipeline = with_imports();
    let plan = plan(&pipeline, &[("verbosity", "loud, please")]);
    let [reader, second, segment] = plan.operators.as_slice() else { panic!("three operators") };
    assert_eq!((reader.name.as_str(), second.name.as_str()), ("reader", "second-reader"));
    assert_eq!(reader.command, ["/reader", "--log", "very loud, please"]);
    assert_eq!(second.command, ["/reader", "--log", "quiet"]);
    assert_eq!(pipeline.operators()[0].description, "Reads.");
    assert_eq!(pipeline.operators()[1].description, "The same once more.");
    assert_eq!(segment.depends_on, [0, 1]);
    assert_eq!(segment.inputs[1].payload_folder.as_deref(), Some("operators/second-reader/images"));
    assert_eq!(segment.models, ["organ_model"]);
    assert_eq!(segment.variables["CLARA_TRACE"], "2");
    assert_eq!((segment.requests.cpus, segment.requests.gpus), (2, 1));
    assert!(segment.requests.network && !reader.requests.network);
    assert_eq!(pipeline.pull_secrets(), ["ngc-clara"]);
    assert_eq!(pipeline.models().into_iter().collect::<Vec<_>>(), ["organ_model"]);
    let service = &pipeline.operators()[2].services[0];
    assert_eq!((service.name.as_str(), service.http[0].variable.as_str()), ("server", "SERVER_URI"));
    assert_eq!(service.http[0].port, Some(8000));
}

#[test]
fn deprecated_keys_and_unused_files_are_remarked_not_refused() {
    let remarks: Vec<String> = with_imports().remarks().iter().map(ToString::to_string).collect();
    assert_eq!(
        remarks,
        [
            "../p/main.yaml:25:3: `services` is deprecated",
            "../p/notes.yaml:1:1: no operator imports this file"
        ]
    );
}

#[test]
fn a_pipeline_can_be_made_again_from_its_files() {
    for pipeline in
        [with_imports(), pipeline(&[("typed.yaml", TYPED)]), pipeline(&[("a.yaml", FILES_AND_A_PARAMETER)])]
    {
        assert_eq!(Pipeline::from_files(pipeline.files().to_vec()), Ok(pipeline));
    }
}

#[test]
fn a_machine_that_is_too_small_is_named_with_the_operator() {
    let pipeline = with_imports();
    let defaults = RequestDefaults::default();
    let enough = Capacity { cpus: 2, gpus: 1, memory_bytes: 8192 << 20 };
    assert_eq!(pipeline.check_fits(&enough, &defaults), Ok(()));
    let no_gpu = Capacity { gpus: 0, ..enough };
    assert_eq!(
        pipeline.check_fits(&no_gpu, &defaults).unwrap_err().messages(),
        ["../p/main.yaml:17:3: operator `segment` asks for 1 GPUs of graphics; this machine has 0"]
    );
    let large_defaults = RequestDefaults { cpus: 3, ..defaults };
    assert_eq!(pipeline.check_fits(&enough, &large_defaults).unwrap_err().problems.len(), 2);
}

#[test]
fn definitions_before_types_default_to_argo_and_read_whole_folders() {
    let pipeline = pipeline(&[(
        "old.yaml",
        "
api-version: 0.3.0
name: old
operators:
- name: b
  container: {image: i}
  input: [{from: a, path: /all}, {from: a, name: x, path: /x}, {path: /in}]
- name: a
  container: {image: i}
  output: [{name: x, path: /x}, {name: y, path: /y}]
",
    )]);
    assert_eq!(pipeline.orchestrator(), Orchestrator::Argo);
    let folders: Vec<&str> =
        pipeline.operators()[0].inputs.iter().filter_map(|input| input.payload_folder.as_deref()).collect();
    assert_eq!(folders, ["operators/a", "operators/a/x", "input"]);
    assert_eq!(pipeline.operators()[0].depends_on, [1], "the order of the list has no meaning");
}

#[test]
fn editors_of_other_systems_may_have_saved_the_file() {
    let unix = "api-version: 0.4.0\nname: p\noperators:\n- name: a\n  container: {image: i}\n";
    let windows = format!("\u{feff}{}", unix.replace('\n', "\r\n"));
    let (unix, windows) = (pipeline(&[("p.yaml", unix)]), pipeline(&[("p.yaml", &windows)]));
    assert_eq!(unix.operators(), windows.operators());
}
