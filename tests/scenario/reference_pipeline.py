#!/usr/bin/env python3
"""Runs a pipeline on a folder of files with the published Python client, nvidia-clara-client 0.8.1.7.

    reference_pipeline.py HOST:PORT DEFINITION.yaml INPUT_FOLDER OUTPUT_FOLDER

Creates the pipeline and a job, sends the files, waits for a healthy end, prints the operators' logs and fetches what
they wrote. Ends with 0 if all of it worked.
"""

import pathlib
import sys
import time

from nvidia_clara import JobsClient, PayloadsClient, PipelinesClient
from nvidia_clara.job_types import JobState, JobStatus
from nvidia_clara.pipeline_types import PipelineDefinition

# No call and no job takes longer, however slow the machine.
PATIENCE_SECS = 300


def main(target, definition, source, results):
    pipelines, jobs, payloads = PipelinesClient(target), JobsClient(target), PayloadsClient(target)
    content = pathlib.Path(definition).read_text()
    files = [PipelineDefinition(name=pathlib.Path(definition).name, content=content)]
    pipeline = pipelines.create_pipeline(definition=files, timeout=PATIENCE_SECS)
    job = jobs.create_job(pipeline, "reference", timeout=PATIENCE_SECS)
    for path in sorted(pathlib.Path(source).glob("*.dcm")):
        with path.open("rb") as opened:
            payloads.upload(job.payload_id, path.name, file_object=opened, timeout=PATIENCE_SECS)
    jobs.start_job(job.job_id, timeout=PATIENCE_SECS)
    latest = time.monotonic() + PATIENCE_SECS
    details = jobs.get_status(job.job_id, timeout=PATIENCE_SECS)
    while details.job_state != JobState.Stopped.value:
        if time.monotonic() > latest:
            sys.exit("the job does not end")
        time.sleep(0.1)
        details = jobs.get_status(job.job_id, timeout=PATIENCE_SECS)
    for operator in details.operator_details:
        for line in jobs.job_logs(job.job_id, operator, timeout=PATIENCE_SECS):
            print("%s: %s" % (operator, line))
    if details.job_status != JobStatus.Healthy.value:
        sys.exit("the job is not healthy: %s" % list(details.messages))
    for file in payloads.get_details(job.payload_id, timeout=PATIENCE_SECS).file_details:
        if file.name.startswith("/operators/lungs/"):
            path = pathlib.Path(results, file.name.lstrip("/"))
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as opened:
                payloads.download_from(job.payload_id, file.name, dest_obj=opened, timeout=PATIENCE_SECS)


if __name__ == "__main__":
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    main(*sys.argv[1:])
