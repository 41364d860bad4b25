//! How objects look: tables for people, JSON for programs. Times are UTC.

use std::fmt::Write;
use std::time::{Duration, SystemTime};

use platform_client::job::{JobDetails, JobReport, JobState, JobStatus, OperatorDetails};
use platform_client::jobs::JobSnapshot;
use platform_client::metadata::Metadata;
use platform_client::model::ModelDetails;
use platform_client::payloads::{PayloadDetails, PayloadSummary};
use platform_client::pipelines::PipelineSummary;
use platform_client::time::text_from_system_time;
use serde_json::{Value, json};

/// Text from a server on one line of a terminal: control characters are shown, not obeyed.
pub(super) fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        if letter.is_control() {
            let _ = write!(out, "{}", letter.escape_default());
        } else {
            out.push(letter);
        }
    }
    out
}

/// `2021-03-08 18:06:31Z`, or a dash.
pub(super) fn time(time: Option<SystemTime>) -> String {
    time.and_then(|time| text_from_system_time(time).ok()).unwrap_or_else(|| "-".to_owned())
}

/// `2021-03-08T18:06:31Z`, or null.
pub(super) fn json_time(time: Option<SystemTime>) -> Value {
    let text = time.and_then(|time| text_from_system_time(time).ok());
    text.map_or(Value::Null, |text| Value::String(text.replacen(' ', "T", 1)))
}

/// Bytes in MiB, as the field prints them.
pub(super) fn mib(bytes: u64) -> String {
    let mib = bytes as f64 / f64::from(1 << 20);
    if bytes > 0 && mib < 0.1 { "<0.1 MiB".to_owned() } else { format!("{mib:.1} MiB") }
}

/// Seconds with one decimal.
pub(super) fn secs(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

/// Columns under their heads, aligned, the last one as long as it is.
pub(super) fn table(heads: &[&str], rows: &[Vec<String>]) -> String {
    let rows: Vec<Vec<String>> =
        rows.iter().map(|row| row.iter().map(|cell| printable(cell)).collect()).collect();
    let heads: Vec<String> = heads.iter().map(|head| (*head).to_owned()).collect();
    let width = |column: usize| {
        let cells = rows.iter().chain([&heads]).filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..heads.len()).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    std::iter::once(&heads).chain(&rows).map(line).collect::<Vec<_>>().join("\n")
}

/// The name of a state in the published schema; scripts look for it.
pub(super) fn wire_state(state: JobState) -> String {
    format!("JOB_STATE_{}", state.name().to_uppercase())
}

/// The name of a status in the published schema; scripts look for it.
pub(super) fn wire_status(status: JobStatus) -> String {
    format!("JOB_STATUS_{}", status.name().to_uppercase())
}

pub(super) fn json_metadata(metadata: &Metadata) -> Value {
    json!(metadata.to_map())
}

/// One line a piece of metadata.
pub(super) fn metadata_lines(out: &mut String, metadata: &Metadata) {
    for (key, value) in metadata.iter() {
        let _ = writeln!(out, "METADATA: {}={}", printable(key), printable(value));
    }
}

pub(super) fn json_pipeline(pipeline: &PipelineSummary) -> Value {
    json!({
        "pipeline_id": pipeline.id.to_string(),
        "name": pipeline.name,
        "metadata": json_metadata(&pipeline.metadata),
    })
}

pub(super) fn json_job(job: &JobDetails) -> Value {
    json!({
        "job_id": job.id.to_string(),
        "payload_id": job.payload_id.to_string(),
        "pipeline_id": job.pipeline_id.to_string(),
        "name": job.name,
        "state": job.state.name(),
        "status": job.status.name(),
        "priority": job.priority.name(),
        "created": json_time(Some(job.created)),
        "started": json_time(job.started),
        "stopped": json_time(job.stopped),
        "metadata": json_metadata(&job.metadata),
    })
}

fn json_operator(operator: &OperatorDetails) -> Value {
    json!({
        "name": operator.name,
        "status": operator.status.name(),
        "started": json_time(operator.started),
        "stopped": json_time(operator.stopped),
        "depends_on": operator.depends_on,
    })
}

/// A job with its operators; what only our own servers know is added where they told.
pub(super) fn json_report(report: &JobReport, more: Option<&JobSnapshot>) -> Value {
    let mut value = json_job(&report.details);
    let operators = report.operators.iter().map(|operator| {
        let mut value = json_operator(operator);
        let known = more.and_then(|more| more.operators.iter().find(|known| known.name == operator.name));
        if let (Some(known), Some(fields)) = (known, value.as_object_mut()) {
            let end = known.end.as_ref().map(|end| end.reason.to_string());
            fields.insert("end".to_owned(), json!(end));
            fields.insert("progress".to_owned(), json!(known.progress));
            fields.insert("log_bytes".to_owned(), json!(known.log_bytes));
        }
        value
    });
    let operators: Vec<Value> = operators.collect();
    if let Some(fields) = value.as_object_mut() {
        fields.insert("messages".to_owned(), json!(report.messages));
        fields.insert("operators".to_owned(), Value::Array(operators));
        if let Some(more) = more {
            let reason = (!more.pending_reason.is_empty()).then_some(&more.pending_reason);
            fields.insert("pending_reason".to_owned(), json!(reason));
            fields.insert("timeout_secs".to_owned(), json!(more.timeout.map(|t| t.as_secs_f64())));
        }
    }
    value
}

/// One fact a line. The places of status (6), state (7) and the number of operators (10) are what scripts rely on.
pub(super) fn report_text(report: &JobReport, more: Option<&JobSnapshot>) -> String {
    let job = &report.details;
    let mut out = String::new();
    let _ = writeln!(out, "JOB_ID: {}", job.id);
    let _ = writeln!(out, "NAME: {}", printable(&job.name));
    let _ = writeln!(out, "PIPELINE_ID: {}", job.pipeline_id);
    let _ = writeln!(out, "PAYLOAD_ID: {}", job.payload_id);
    let _ = writeln!(out, "PRIORITY: {}", job.priority);
    let _ = writeln!(out, "STATUS: {}", wire_status(job.status));
    let _ = writeln!(out, "STATE: {}", wire_state(job.state));
    let _ = writeln!(out, "CREATED: {}", time(Some(job.created)));
    let _ = writeln!(out, "STARTED: {}", time(job.started));
    let _ = writeln!(out, "OPERATORS: {}", report.operators.len());
    let _ = writeln!(out, "STOPPED: {}", time(job.stopped));
    if let Some(more) = more.filter(|more| !more.pending_reason.is_empty()) {
        let _ = writeln!(out, "WAITS_FOR: {}", printable(&more.pending_reason));
    }
    for message in &report.messages {
        let _ = writeln!(out, "MESSAGE: {}", printable(message));
    }
    metadata_lines(&mut out, &job.metadata);
    let rows: Vec<Vec<String>> = report
        .operators
        .iter()
        .map(|operator| {
            let known = more.and_then(|more| more.operators.iter().find(|known| known.name == operator.name));
            let end = known.and_then(|known| known.end.as_ref()).map(|end| end.reason.to_string());
            vec![
                operator.name.clone(),
                operator.status.to_string(),
                time(operator.started),
                time(operator.stopped),
                end.unwrap_or_default(),
            ]
        })
        .collect();
    if !rows.is_empty() {
        out.push('\n');
        out.push_str(&table(&["OPERATOR", "STATUS", "STARTED", "STOPPED", "END"], &rows));
    }
    out.trim_end().to_owned()
}

pub(super) fn json_payload(payload: &PayloadSummary) -> Value {
    json!({
        "payload_id": payload.id.to_string(),
        "type": payload.payload_type.name(),
        "job_id": payload.job_id.map(|id| id.to_string()),
        "created": json_time(payload.created),
        "files": payload.file_count,
        "bytes": payload.bytes,
        "read_only": payload.is_read_only,
        "metadata": json_metadata(&payload.metadata),
    })
}

pub(super) fn json_payload_details(payload: &PayloadDetails) -> Value {
    let files: Vec<Value> =
        payload.files.iter().map(|f| json!({ "name": f.path.to_string(), "bytes": f.size })).collect();
    json!({
        "payload_id": payload.id.to_string(),
        "type": payload.payload_type.name(),
        "job_id": payload.job_id.map(|id| id.to_string()),
        "files": files,
        "refused": payload.refused,
        "metadata": json_metadata(&payload.metadata),
    })
}

pub(super) fn json_model(model: &ModelDetails) -> Value {
    json!({
        "model_id": model.id.to_string(),
        "name": model.name,
        "type": model.model_type.name(),
        "metadata": json_metadata(&model.metadata),
    })
}

pub(super) fn model_row(model: &ModelDetails) -> Vec<String> {
    vec![model.name.clone(), model.id.to_string(), model.model_type.name().to_owned()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_is_not_commanded_by_names() {
        assert_eq!(printable("a\u{1b}[2J\nb"), "a\\u{1b}[2J\\nb");
        assert_eq!(printable("Müller 山田"), "Müller 山田");
    }

    #[test]
    fn columns_are_aligned_and_lines_have_no_tail() {
        let rows = [vec!["ab".to_owned(), "1".to_owned()], vec!["c\n".to_owned(), String::new()]];
        assert_eq!(table(&["N", "VALUE"], &rows), "N    VALUE\nab   1\nc\\n");
    }

    #[test]
    fn sizes_are_in_mebibytes_and_never_lie_about_something_being_there() {
        assert_eq!((mib(0).as_str(), mib(1).as_str()), ("0.0 MiB", "<0.1 MiB"));
        assert_eq!(mib(1_572_864), "1.5 MiB");
    }
}
