//! What holds for any definition: no text panics or costs much, valid ones are read as they were meant.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::BTreeMap;
use std::fmt::Write;

use platform_api::pipeline::{
    DefinitionFile, MAX_BYTES, Pipeline, ProblemKind, RequestDefaults, Source, join_parts,
};
use proptest::collection::{btree_set, vec};
use proptest::prelude::*;

fn file(path: &str, content: String) -> DefinitionFile {
    DefinitionFile { path: path.to_owned(), content }
}

fn read(content: String) -> Result<Pipeline, platform_api::pipeline::DefinitionError> {
    Pipeline::from_files(vec![file("p.yaml", content)])
}

/// Pieces that definitions are made of, so that random texts get past the first line.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("api-version: 0.5.0\n"),
        Just("name: p\n"),
        Just("operators:\n"),
        Just("- name: a\n"),
        Just("  container: {image: i, tag: 1, command: [x, '${{A}}']}\n"),
        Just("  input:\n"),
        Just("  - from: a\n"),
        Just("    name: x\n"),
        Just("    type: array\n"),
        Just("    shape: [-1, 2]\n"),
        Just("  output: [{name: x, path: /x}]\n"),
        Just("  requests: {cpu: 1, memory: 9}\n"),
        Just("parameters: {A: 1}\n"),
        Just("  import: {path: p.yaml, args: {A: '${{A}}'}}\n"),
        Just("&a "),
        Just("*a "),
        Just("<<: *a\n"),
        Just("? "),
        Just(": "),
        Just("- "),
        Just("{"),
        Just("}"),
        Just("["),
        Just("]"),
        Just(", "),
        Just("|\n"),
        Just(">-\n"),
        Just("!!str "),
        Just("!x "),
        Just("%TAG ! x\n"),
        Just("---\n"),
        Just("...\n"),
        Just("\"\\x0"),
        Just("'"),
        Just("#"),
        Just("\t"),
        Just("\r"),
        Just("\u{feff}"),
        Just("\u{0}"),
        Just("\u{85}"),
        Just("\u{10ffff}"),
        Just("é"),
        Just("  "),
        Just("\n"),
    ];
    vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

/// A definition of `edges.len()` operators, where operator `i` reads from all of `edges[i]`.
fn definition(edges: &[Vec<usize>]) -> String {
    let mut text = "api-version: 0.4.0\nname: random\noperators:\n".to_owned();
    for (index, sources) in edges.iter().enumerate() {
        write!(text, "- name: op-{index}\n  container: {{image: i}}\n  output: [{{path: /out}}]\n").unwrap();
        if !sources.is_empty() {
            text.push_str("  input:\n");
        }
        for source in sources {
            writeln!(text, "  - {{from: OP-{source}, path: /in/{source}}}").unwrap();
        }
    }
    text
}

/// Edges of a graph without circles, in a random order of the operators: `(order, sources)`.
fn acyclic() -> impl Strategy<Value = Vec<Vec<usize>>> {
    (1usize..40)
        .prop_flat_map(|count| {
            let sources = (0..count).map(|index| btree_set(0..index.max(1), 0..=index.min(4)));
            (Just((0..count).collect::<Vec<_>>()).prop_shuffle(), sources.collect::<Vec<_>>())
        })
        .prop_map(|(order, sources)| {
            let mut edges = vec![Vec::new(); order.len()];
            for (index, sources) in sources.into_iter().enumerate() {
                let earlier = sources.into_iter().filter(|source| *source < index);
                edges[order[index]] = earlier.map(|source| order[source]).collect();
            }
            edges
        })
}

/// Whether `to` can be reached from `from` against the direction of the data.
fn reads_from(edges: &[Vec<usize>], from: usize, to: usize) -> bool {
    let mut seen = vec![false; edges.len()];
    let mut stack = vec![from];
    while let Some(at) = stack.pop() {
        if at == to {
            return true;
        }
        if !std::mem::replace(&mut seen[at], true) {
            stack.extend(&edges[at]);
        }
    }
    false
}

/// An operator with all that a definition of files can say, and what it means.
#[derive(Debug, Clone)]
struct Wanted {
    image: String,
    tag: String,
    command: Vec<String>,
    variables: BTreeMap<String, String>,
    cpu: Option<u32>,
    memory: Option<u32>,
}

fn wanted() -> impl Strategy<Value = Wanted> {
    // Any text that YAML can hold in double quotes, without the beginning of a placeholder.
    let text = || "[ -~é\n\t]{0,20}".prop_filter("placeholder", |text| !text.contains("${{"));
    let variables = proptest::collection::btree_map("[A-Z_][A-Z0-9_]{0,8}", text(), 0..4);
    (
        "[a-z]{1,8}/[a-z]{1,8}",
        "[a-z0-9.]{1,8}",
        vec(text(), 0..4),
        variables,
        proptest::option::of(1u32..100),
        proptest::option::of(1u32..100_000),
    )
        .prop_map(|(image, tag, command, variables, cpu, memory)| Wanted {
            image,
            tag,
            command,
            variables,
            cpu,
            memory,
        })
}

fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' | '\\' => {
                quoted.push('\\');
                quoted.push(letter);
            }
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            letter => quoted.push(letter),
        }
    }
    quoted + "\""
}

fn written(operators: &[Wanted]) -> String {
    let mut text = "api-version: 0.4.0\nname: random\noperators:\n".to_owned();
    for (index, wanted) in operators.iter().enumerate() {
        let command: Vec<String> = wanted.command.iter().map(|part| quoted(part)).collect();
        writeln!(text, "- name: op-{index}\n  container:").unwrap();
        writeln!(text, "    image: {}\n    tag: {}", wanted.image, quoted(&wanted.tag)).unwrap();
        writeln!(text, "    command: [{}]\n  variables:", command.join(", ")).unwrap();
        for (name, value) in &wanted.variables {
            writeln!(text, "    {}: {}", quoted(name), quoted(value)).unwrap();
        }
        text.push_str("  requests:\n");
        for (key, number) in [("cpu", wanted.cpu), ("memory", wanted.memory)] {
            if let Some(number) = number {
                writeln!(text, "    {key}: {number}").unwrap();
            }
        }
    }
    text
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_panics(text in any::<String>()) {
        let _ = read(text);
    }

    #[test]
    fn no_heap_of_pieces_panics(main in pieces(), other in pieces()) {
        let start = "api-version: 0.4.0\nname: p\noperators:\n- {name: o, import: {path: other.yaml}}\n";
        let _ = read(main.clone());
        let _ = Pipeline::from_files(vec![file("p.yaml", format!("{start}{main}")), file("other.yaml", other)]);
    }

    #[test]
    fn no_change_of_a_valid_definition_panics(at in any::<prop::sample::Index>(), piece in pieces()) {
        let mut text = definition(&[vec![], vec![0], vec![0, 1]]);
        let at = at.index(text.len());
        let end = (at + 3).min(text.len());
        text.replace_range(at..end, &piece);
        let _ = read(text);
    }

    #[test]
    fn graphs_without_circles_are_read_as_they_are(edges in acyclic()) {
        let pipeline = read(definition(&edges)).unwrap();
        for (operator, sources) in pipeline.operators().iter().zip(&edges) {
            let mut sorted = sources.clone();
            sorted.sort_unstable();
            prop_assert_eq!(&operator.depends_on, &sorted);
            let read: Vec<Source> = operator.inputs.iter().map(|input| input.source).collect();
            let meant: Vec<Source> = sources.iter().map(|operator| Source::Operator { operator: *operator }).collect();
            prop_assert_eq!(read, meant);
        }
        let again = Pipeline::from_files(pipeline.files().to_vec());
        prop_assert_eq!(again, Ok(pipeline));
    }

    #[test]
    fn an_edge_that_closes_a_circle_is_refused(
        mut edges in acyclic(),
        from in any::<prop::sample::Index>(),
        to in any::<prop::sample::Index>(),
    ) {
        let (from, to) = (from.index(edges.len()), to.index(edges.len()));
        // One of the two directions closes a circle, unless the two do not know each other.
        let (from, to) = if reads_from(&edges, to, from) { (from, to) } else { (to, from) };
        prop_assume!(reads_from(&edges, to, from));
        edges[from].push(to);
        let error = read(definition(&edges)).unwrap_err();
        let [problem] = error.problems.as_slice() else { panic!("{error}") };
        let ProblemKind::Cycle { operators } = &problem.kind else { panic!("{error}") };
        let number = |name: &String| name["op-".len()..].parse::<usize>().unwrap();
        let circle: Vec<usize> = operators.iter().map(number).collect();
        for (source, reader) in circle.iter().zip(circle.iter().cycle().skip(1)) {
            prop_assert!(edges[*reader].contains(source), "{error}");
        }
        prop_assert!(circle.contains(&from) && circle.contains(&to), "{error}");
    }

    #[test]
    fn what_is_written_is_what_runs(operators in vec(wanted(), 1..5)) {
        let pipeline = read(written(&operators)).unwrap();
        let plan = pipeline.instantiate(&BTreeMap::new(), &RequestDefaults::default()).unwrap();
        for (plan, wanted) in plan.operators.iter().zip(&operators) {
            prop_assert_eq!(&plan.image, &wanted.image);
            prop_assert_eq!(&plan.tag, &wanted.tag);
            prop_assert_eq!(&plan.command, &wanted.command);
            prop_assert_eq!(&plan.variables, &wanted.variables);
            prop_assert_eq!(plan.requests.cpus, wanted.cpu.unwrap_or(1));
            let memory_mb = u64::from(wanted.memory.unwrap_or(1024));
            prop_assert_eq!(plan.requests.memory_bytes, memory_mb << 20);
        }
    }

    #[test]
    fn parts_join_to_the_whole(text in "[a-zé]{0,50}", cuts in vec(any::<prop::sample::Index>(), 0..5)) {
        let mut at: Vec<usize> = cuts.iter().map(|cut| text.floor_char_boundary(cut.index(text.len() + 1))).collect();
        at.extend([0, text.len()]);
        at.sort_unstable();
        let parts = at.windows(2).map(|pair| file("a", text[pair[0]..pair[1]].to_owned()));
        prop_assert_eq!(join_parts(parts), [file("a", text.clone())]);
    }
}

/// Ten thousand operators in a chain are read; one more is refused.
#[test]
fn as_many_operators_as_there_may_be_are_read() {
    let chain = |count: usize| (0..count).map(|index| index.checked_sub(1).into_iter().collect()).collect();
    let edges: Vec<Vec<usize>> = chain(10_000);
    let pipeline = read(definition(&edges)).unwrap();
    assert_eq!(pipeline.operators().len(), 10_000);
    let edges: Vec<Vec<usize>> = chain(10_001);
    let messages = read(definition(&edges)).unwrap_err().messages();
    assert_eq!(messages, ["p.yaml:4:3: number of operators: 10001, more than 10000"]);
}

#[test]
fn a_circle_of_ten_thousand_is_told_in_short() {
    let edges: Vec<Vec<usize>> = (0..10_000).map(|index| vec![(index + 9_999) % 10_000]).collect();
    let messages = read(definition(&edges)).unwrap_err().messages();
    assert_eq!(messages.len(), 1);
    assert!(messages[0].len() < 200, "{}", messages[0]);
}

/// Definitions that would take much time or memory if they were believed.
#[test]
fn hostile_definitions_are_refused() {
    let head = "api-version: 0.4.0\nname: p\n";
    let many_keys: String = (0..30_000).fold(String::new(), |mut text, index| {
        writeln!(text, "k{index}: 1").unwrap();
        text
    });
    let same_key = "k: 1\n".repeat(30_000);
    let big_operator = format!("container: {{image: i, command: [{}]}}\n", "x, ".repeat(100_000));
    let imports = format!(
        "{head}operators:\n{}",
        (0..9_000).fold(String::new(), |mut text, index| {
            writeln!(text, "- {{name: o{index}, import: {{path: big.yaml}}}}").unwrap();
            text
        })
    );
    let grown = format!(
        "{head}operators:\n- name: a\n  import: {{path: op.yaml, args: {{X: {}}}}}\n",
        "x".repeat(1 << 20)
    );
    let grown_operator =
        format!("parameters: {{X: 1}}\ncontainer: {{image: i, command: ['{}']}}\n", "${{X}}".repeat(100_000));
    let lines = |count: usize, line: &dyn Fn(usize) -> String| (0..count).map(line).collect::<String>();
    let parameters = lines(30_000, &|index| format!("  p{index}: 1\n"));
    let models = lines(10_000, &|index| format!("  - {{name: m{index}}}\n"));
    let strangers = lines(5_000, &|index| {
        format!(
            "- {{name: {0:n>31}, container: {{image: i}}, input: [{{from: {0:m>31}, path: /i}}]}}\n",
            index
        )
    });
    let outputs = lines(1_000, &|index| format!("  - {{name: o{index}, path: /o{index}}}\n"));
    let readers = lines(5_000, &|index| {
        format!("- {{name: r{index}, container: {{image: i}}, input: [{{from: a, name: none, path: /i}}]}}\n")
    });
    let container = "operators:\n- name: a\n  container: {image: i}\n";
    let unclosed = format!("{head}operators: [{{name: a, container: {{image: \"{}", "${{".repeat(1 << 20));
    for (what, main, other) in [
        ("too many bytes", "x".repeat(MAX_BYTES + 1), None),
        ("many unknown keys", format!("{head}{many_keys}"), None),
        ("one key again and again", format!("{head}{same_key}"), None),
        ("many imports of a large file", imports, Some(("big.yaml", big_operator))),
        ("an argument that is used often", grown, Some(("op.yaml", grown_operator))),
        ("many unused parameters", format!("{head}parameters:\n{parameters}operators: []\n"), None),
        ("many models", format!("{head}{container}  models:\n{models}"), None),
        ("many readers of nobody", format!("{head}operators:\n{strangers}"), None),
        ("many readers of nothing", format!("{head}{container}  output:\n{outputs}{readers}"), None),
        ("an unclosed text", unclosed, None),
        ("a long line of brackets", "{".repeat(1 << 20), None),
        ("a long line of question marks", "? ".repeat(1 << 20), None),
        ("a long line of colons", "a: ".repeat(1 << 20), None),
        ("many anchors", "- &a x\n".repeat(1 << 16), None),
        ("many comments", "#\n".repeat(1 << 20), None),
    ] {
        let mut files = vec![file("p.yaml", main)];
        files.extend(other.map(|(path, content)| file(path, content)));
        let error = Pipeline::from_files(files).expect_err(what);
        let bytes: usize = error.messages().iter().map(String::len).sum();
        assert!(bytes < 64 << 10, "{what}: {bytes} bytes of messages");
    }
}
