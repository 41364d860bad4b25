#!/usr/bin/env python3
"""Holds a server to the published Python client, nvidia-clara-client 0.8.1.7.

    clara_client.py HOST:PORT

Goes through what users of the client do, and through the order of calls of its published example, and checks every
answer. Needs a server whose pipelines may use the operator bundle `lantern/shell`. Makes its own pipelines, jobs and
payloads, and looks only at those. Ends with 0 if all held; otherwise the first thing that did not is printed.
"""

import datetime
import io
import sys
import time

from nvidia_clara import ClaraClient, JobsClient, PayloadsClient, PipelinesClient
from nvidia_clara.job_types import JobFilter, JobId, JobPriority, JobState, JobStatus
from nvidia_clara.payload_types import PayloadId
from nvidia_clara.pipeline_types import PipelineDefinition, PipelineId

# No call and no job of this script takes longer, however slow the machine.
PATIENCE_SECS = 120
STOPPED = JobState.Stopped.value
HEALTHY, FAULTED, CANCELED = JobStatus.Healthy.value, JobStatus.Faulted.value, JobStatus.Canceled.value
COMPLETED = 3
NOBODY = "f" * 32

LINES = """\
api-version: 0.4.0
name: line-counter
parameters:
  KEEP: "2"
operators:
- name: cutter
  container:
    image: lantern/shell
    command: ["/bin/sh", "-c", "for f in /in/*; do echo cutting; head -n ${{KEEP}} $f > /out/$(basename $f); done"]
  input:
  - path: /in
  output:
  - path: /out
- name: counter
  container:
    image: lantern/shell
    command: ["/bin/sh", "-c", "cat /cut/* | wc -l > /count/lines.txt"]
  input:
  - from: cutter
    path: /cut
  output:
  - name: counts
    path: /count
"""


def one(command):
    """A definition of one operator, `only`."""
    return (
        "api-version: 0.4.0\nname: one\noperators:\n- name: only\n  container:\n    image: lantern/shell\n"
        '    command: ["/bin/sh", "-c", "%s"]\n  output:\n  - path: /out\n' % command
    )


def equal(found, expected, what):
    if found != expected:
        raise AssertionError("%s is %r, not %r" % (what, found, expected))


def holds(condition, what):
    if not condition:
        raise AssertionError(what)


def refused(call, text):
    """The call raises what the client makes of a refusal: a plain exception with the server's own words."""
    try:
        call()
    except AssertionError:
        raise
    except Exception as error:
        # A transport fault would be a subclass, and its text another.
        equal(type(error), Exception, "the error of a refused call (%s)" % error)
        holds(text.lower() in str(error).lower(), "the refusal says %r, not %r" % (str(error), text))
        return
    raise AssertionError("a call was not refused that should be: %s" % text)


def seconds(moment):
    return moment.replace(microsecond=0)


class Scenario:
    def __init__(self, target):
        self.clara, self.pipelines = ClaraClient(target), PipelinesClient(target)
        self.jobs, self.payloads = JobsClient(target), PayloadsClient(target)

    def pipeline(self, text, path="../pipeline.yaml", **options):
        definition = [PipelineDefinition(name=path, content=text)]
        return self.pipelines.create_pipeline(definition=definition, timeout=PATIENCE_SECS, **options)

    def end(self, job_id):
        """Asks until the job is over, without a pause, as the published example does."""
        latest = time.monotonic() + PATIENCE_SECS
        while True:
            details = self.jobs.get_status(job_id=job_id, timeout=PATIENCE_SECS)
            if details.job_state == STOPPED:
                return details
            holds(time.monotonic() < latest, "job %s does not end" % job_id.value)

    def content(self, payload_id, name):
        kept = io.BytesIO()
        details = self.payloads.download_from(payload_id, name, dest_obj=kept, timeout=PATIENCE_SECS)
        equal(details.size, len(kept.getvalue()), "the size of %s" % name)
        return kept.getvalue()

    def listed(self, **fields):
        jobs = self.jobs.list_jobs(JobFilter(**fields), timeout=PATIENCE_SECS)
        return {job.job_id.value for job in jobs}

    def server(self):
        version = self.clara.version(timeout=PATIENCE_SECS)
        equal((version.major, version.minor, version.patch), (0, 8, 1), "the version")
        equal(len(self.clara.list_utilization(timeout=PATIENCE_SECS)), 1, "messages of one look at the GPUs")
        self.clara.stop(timeout=PATIENCE_SECS)

    def pipeline_calls(self):
        id = self.pipeline(LINES, metadata={"Owner": "scenario"})
        equal(len(id.value), 32, "digits of an identifier")
        found = [entry for entry in self.pipelines.list_pipelines(timeout=PATIENCE_SECS) if entry.pipeline_id == id]
        equal([(entry.name, dict(entry.metadata)) for entry in found], [("line-counter", {"Owner": "scenario"})], "the list")
        details = self.pipelines.pipeline_details(id, timeout=PATIENCE_SECS)
        equal((details.pipeline_id, details.name), (id, "line-counter"), "the pipeline")
        files = [(file.content.path, file.content.content) for file in details.definition]
        equal(files, [("../pipeline.yaml", LINES)], "the definition")
        self.pipelines.update_pipeline(id, [PipelineDefinition(name="b.yaml", content=one("true"))], timeout=PATIENCE_SECS)
        equal(self.pipelines.pipeline_details(id, timeout=PATIENCE_SECS).name, "one", "the name after an update")
        whole = self.pipelines.add_metadata(id, {"More": "1"}, timeout=PATIENCE_SECS)
        equal(dict(whole), {"Owner": "scenario", "More": "1"}, "metadata after an addition")
        refused(lambda: self.pipelines.add_metadata(id, {"more": "2", "x": "3"}, timeout=PATIENCE_SECS), "already")
        left = self.pipelines.remove_metadata(id, ["OWNER"], timeout=PATIENCE_SECS)
        equal(dict(left), {"More": "1"}, "metadata after a removal")
        self.pipelines.remove_pipeline(id, timeout=PATIENCE_SECS)
        refused(lambda: self.pipelines.pipeline_details(id, timeout=PATIENCE_SECS), id.value)
        refused(lambda: self.pipelines.create_pipeline([], timeout=PATIENCE_SECS), "no file")
        refused(lambda: self.pipeline("name: ["), "pipeline.yaml")
        refused(lambda: self.pipeline(LINES.replace("from: cutter", "from: cuter")), "cutter")

    def a_job(self):
        """Create, upload, start, look, logs, download, list."""
        before = seconds(datetime.datetime.now(datetime.timezone.utc))
        pipeline = self.pipeline(LINES)
        job = self.jobs.create_job(
            pipeline, "lines", job_priority=JobPriority.Higher, metadata={"Source": "scenario"}, timeout=PATIENCE_SECS
        )
        details = self.jobs.get_status(job.job_id, timeout=PATIENCE_SECS)
        equal((details.job_state, details.job_status), (JobState.Pending.value, HEALTHY), "a new job")
        equal((details.name, details.job_priority), ("lines", JobPriority.Higher.value), "name and priority")
        equal((details.pipeline_id, details.payload_id), (pipeline, job.payload_id), "pipeline and payload")
        equal(dict(details.metadata), {"Source": "scenario"}, "the job's metadata")
        holds(details.date_started is None and details.date_stopped is None, "a job that waits has not begun")

        large = b"".join(b"%d\n" % number for number in range(300_000))
        for name, data in [("a.txt", b"1\n2\n3\n4\n5\n"), ("./b.txt", large)]:
            kept = self.payloads.upload(job.payload_id, name, file_object=io.BytesIO(data), timeout=PATIENCE_SECS)
            equal(kept.size, len(data), "the size of an upload of several pieces")
        equal(self.content(job.payload_id, "/input/b.txt"), large, "a file that was sent and fetched")
        empty = io.BytesIO()
        refused(lambda: self.payloads.upload(job.payload_id, "e", file_object=empty, timeout=PATIENCE_SECS), "no message")

        refused(lambda: self.jobs.start_job(job.job_id, {"KEPT": "3"}, timeout=PATIENCE_SECS), "KEPT")
        token = self.jobs.start_job(job.job_id, {"KEEP": "3"}, timeout=PATIENCE_SECS)
        equal((token.job_status, token.job_priority), (HEALTHY, JobPriority.Higher.value), "a started job")
        details = self.end(job.job_id)
        equal((details.job_status, list(details.messages)), (HEALTHY, []), "the end of a job")
        operators = {name: operator["status"] for name, operator in details.operator_details.items()}
        equal(operators, {"cutter": COMPLETED, "counter": COMPLETED}, "operators")
        holds(before <= details.date_created <= details.date_started <= details.date_stopped, "times are in order")
        holds(details.date_stopped - before < datetime.timedelta(seconds=PATIENCE_SECS * 2), "times are those of today")

        equal(self.jobs.job_logs(job.job_id, "cutter", timeout=PATIENCE_SECS), ["cutting", "cutting"], "a log")
        equal(self.jobs.job_logs(job.job_id, "nobody", timeout=PATIENCE_SECS), [], "the log of nobody")
        equal(self.content(job.payload_id, "/operators/counter/counts/lines.txt").strip(), b"6", "the result")
        equal(self.content(job.payload_id, "OPERATORS/Cutter/a.TXT"), b"1\n2\n3\n", "a file in another letter case")
        files = self.payloads.get_details(job.payload_id, timeout=PATIENCE_SECS)
        names = {file.name for file in files.file_details}
        holds({"/input/a.txt", "/operators/cutter/a.txt", "/operators/counter/counts/lines.txt"} <= names, str(names))
        late = lambda: self.payloads.upload(job.payload_id, "late", file_object=io.BytesIO(b"x"), timeout=PATIENCE_SECS)
        refused(late, "")
        refused(lambda: self.jobs.start_job(job.job_id, timeout=PATIENCE_SECS), "")
        refused(lambda: self.jobs.cancel_job(job.job_id, timeout=PATIENCE_SECS), "Failed to cancel job.")
        return pipeline, job

    def filters(self, pipeline, done):
        faulty = self.pipeline(one("exit 7"))
        fault = self.jobs.create_job(faulty, "faulty", timeout=PATIENCE_SECS)
        self.jobs.start_job(fault.job_id, timeout=PATIENCE_SECS)
        details = self.end(fault.job_id)
        equal(details.job_status, FAULTED, "the status of a job that failed")
        holds(any("only" in message for message in details.messages), "the message names the operator: %s" % details.messages)
        waiting = self.jobs.create_job(pipeline, "waiting", timeout=PATIENCE_SECS)
        done, fault, waiting = done.job_id.value, fault.job_id.value, waiting.job_id.value
        mine = dict(pipeline_ids=[pipeline, faulty])
        equal(self.listed(**mine), {done, fault, waiting}, "jobs of two pipelines")
        equal(self.listed(pipeline_ids=[pipeline]), {done, waiting}, "jobs of one pipeline")
        equal(self.listed(has_job_state=[JobState.Pending], **mine), {waiting}, "pending jobs")
        equal(self.listed(has_job_status=[JobStatus.Faulted], **mine), {fault}, "faulted jobs")
        both = dict(has_job_state=[JobState.Pending, JobState.Stopped], has_job_status=[JobStatus.Healthy])
        equal(self.listed(**both, **mine), {done, waiting}, "jobs by state and status")
        now = datetime.datetime.now(datetime.timezone.utc)
        hour = datetime.timedelta(hours=1)
        equal(self.listed(created_after=now - hour, **mine), {done, fault, waiting}, "jobs created lately")
        equal(self.listed(created_after=now + hour, **mine), set(), "jobs created in the future")
        equal(self.listed(completed_before=now + hour, **mine), {done, fault}, "jobs that are over")
        holds({done, fault, waiting} <= {job.job_id.value for job in self.jobs.list_jobs(timeout=PATIENCE_SECS)}, "all jobs")
        streamed = {job.job_id.value for job in self.jobs.stream_jobs(JobFilter(**mine), timeout=PATIENCE_SECS)}
        equal(streamed, {done, fault, waiting}, "jobs as a stream")

    def canceling(self):
        pipeline = self.pipeline(one("sleep 600"))
        waiting = self.jobs.create_job(pipeline, "never started", timeout=PATIENCE_SECS)
        token = self.jobs.cancel_job(waiting.job_id, reason="not needed", timeout=PATIENCE_SECS)
        equal((token.job_id.value, token.job_state, token.job_status), (waiting.job_id.value, STOPPED, CANCELED), "a canceled job")
        running = self.jobs.create_job(pipeline, "running", timeout=PATIENCE_SECS)
        self.jobs.start_job(running.job_id, timeout=PATIENCE_SECS)
        self.jobs.cancel_job(running.job_id, timeout=PATIENCE_SECS)
        equal(self.end(running.job_id).job_status, CANCELED, "the end of a canceled job")

    def metadata(self, job):
        whole = self.jobs.add_metadata(job.job_id, {"Instances": "2"}, timeout=PATIENCE_SECS)
        equal(dict(whole), {"Source": "scenario", "Instances": "2"}, "the job's metadata")
        refused(lambda: self.jobs.add_metadata(job.job_id, {"SOURCE": "x", "new": "y"}, timeout=PATIENCE_SECS), "already")
        refused(lambda: self.jobs.add_metadata(job.job_id, {"k" * 129: "x"}, timeout=PATIENCE_SECS), "128")
        left = self.jobs.remove_metadata(job.job_id, ["source", "absent"], timeout=PATIENCE_SECS)
        equal(dict(left), {"Instances": "2"}, "what is left")
        refused(lambda: self.payloads.add_metadata(job.payload_id, {"a": "b"}, timeout=PATIENCE_SECS), "")

    def reusable_payloads(self):
        payload = self.payloads.create_payload(metadata={"Set": "1"}, timeout=PATIENCE_SECS).payload_id
        details = self.payloads.get_details(payload, timeout=PATIENCE_SECS)
        equal([file.name for file in details.file_details], [""], "an empty payload is one entry without a name")
        equal((details.payload_id, dict(details.metadata)), (payload, {"Set": "1"}), "the payload")
        self.payloads.upload(payload, "/x/y.txt", file_object=io.BytesIO(b"1\n2\n"), timeout=PATIENCE_SECS)
        self.payloads.upload(payload, "z", file_object=io.BytesIO(b"z"), timeout=PATIENCE_SECS)
        self.payloads.remove_from(payload, "./z", timeout=PATIENCE_SECS)
        details = self.payloads.get_details(payload, timeout=PATIENCE_SECS)
        equal([(file.name, file.size) for file in details.file_details], [("/x/y.txt", 4)], "files")
        refused(lambda: self.payloads.upload(payload, "../z", file_object=io.BytesIO(b"z"), timeout=PATIENCE_SECS), "name")
        equal(dict(self.payloads.add_metadata(payload, {"b": "2"}, timeout=PATIENCE_SECS)), {"Set": "1", "b": "2"}, "metadata")
        equal(dict(self.payloads.remove_metadata(payload, ["SET"], timeout=PATIENCE_SECS)), {"b": "2"}, "metadata")
        pipeline = self.pipeline(one("cat /input/x/y.txt 2>/dev/null; true"))
        job = self.jobs.create_job(pipeline, "reuses", input_payloads=[payload], timeout=PATIENCE_SECS)
        equal(self.content(job.payload_id, "/input/x/y.txt"), b"1\n2\n", "a file of an input payload")
        self.payloads.delete_payload(payload, timeout=PATIENCE_SECS)
        refused(lambda: self.payloads.get_details(payload, timeout=PATIENCE_SECS), payload.value)
        equal(self.content(job.payload_id, "/input/x/y.txt"), b"1\n2\n", "a copy outlives what it was made of")

    def errors(self):
        nobody = JobId(NOBODY)
        refused(lambda: self.jobs.get_status(nobody, timeout=PATIENCE_SECS), NOBODY)
        refused(lambda: self.jobs.get_status(JobId("no identifier"), timeout=PATIENCE_SECS), "no identifier")
        refused(lambda: self.jobs.create_job(PipelineId(NOBODY), "a", timeout=PATIENCE_SECS), NOBODY)
        refused(lambda: self.jobs.start_job(nobody, timeout=PATIENCE_SECS), NOBODY)
        refused(lambda: self.payloads.get_details(PayloadId(NOBODY), timeout=PATIENCE_SECS), NOBODY)
        refused(lambda: self.payloads.delete_payload(PayloadId(NOBODY), timeout=PATIENCE_SECS), NOBODY)
        missing = lambda: self.payloads.download_from(PayloadId(NOBODY), "a", dest_obj=io.BytesIO(), timeout=PATIENCE_SECS)
        refused(missing, NOBODY)
        large = io.BytesIO(bytes(8 << 20))
        refused(lambda: self.payloads.upload(PayloadId(NOBODY), "a", file_object=large, timeout=PATIENCE_SECS), NOBODY)

    def published_example(self):
        """The calls of the published example, in their order and with their names of files."""
        pipeline = self.pipeline(LINES, path="../spleen_pipeline.yaml")
        job = self.jobs.create_job(pipeline, "example", timeout=PATIENCE_SECS)
        for name in ("one.txt", "two.txt"):
            self.payloads.upload(job.payload_id, name, file_object=io.BytesIO(b"a\nb\n"), timeout=PATIENCE_SECS)
        listed = [entry.job_id.value for entry in self.jobs.list_jobs(timeout=PATIENCE_SECS)]
        holds(job.job_id.value in listed, "the job is listed")
        self.jobs.start_job(job.job_id, timeout=PATIENCE_SECS)
        self.end(job.job_id)
        details = self.payloads.get_details(job.payload_id, timeout=PATIENCE_SECS)
        fetched = {}
        for file in details.file_details:
            if file.name.split("/")[1] == "operators":
                fetched[file.name] = self.content(job.payload_id, "." + file.name)
        equal(fetched["/operators/counter/counts/lines.txt"].strip(), b"4", "the result of the example")
        equal(len(fetched), 3, "files of operators")
        equal(self.jobs.job_logs(job.job_id, "cutter", timeout=PATIENCE_SECS), ["cutting"] * 2, "the log of the example")

    def run(self):
        self.server()
        self.pipeline_calls()
        pipeline, job = self.a_job()
        self.filters(pipeline, job)
        self.canceling()
        self.metadata(job)
        self.reusable_payloads()
        self.errors()
        self.published_example()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    Scenario(sys.argv[1]).run()
    print("nvidia-clara-client: all calls answered as published")
