//! Logs by byte offset, while they are written and after.

use futures_util::stream;
use platform_api::code;
use platform_api::convert::extension::timestamp;
use platform_api::proto::extension as wire;
use platform_api::proto::extension::logs_server::Logs;
use platform_api::proto::extension::read_log_request::Start;
use platform_api::proto::extension::read_log_response::Part;
use tokio_stream::{Stream, StreamExt};
use tonic::{Request, Response, Status};

use super::id;
use crate::grpc::lifetime::{Lifetime, stopped};
use crate::grpc::reply::Replies;
use crate::grpc::{Service, Stop, status};
use crate::platform::{Answers, LogPart, LogRead, LogStart};

#[tonic::async_trait]
impl Logs for Service {
    type ReadStream = Replies<wire::ReadLogResponse>;

    async fn read(
        &self,
        request: Request<wire::ReadLogRequest>,
    ) -> Result<Response<Self::ReadStream>, Status> {
        // The end of the server is a part of the log here, so only the deadline ends the stream from outside.
        let (_, never) = tokio::sync::watch::channel(false);
        let lifetime = Lifetime::of(&request, &never);
        let message = request.into_inner();
        let job = id(&message.job_id, code::JOB_ID_MALFORMED)?;
        let read = LogRead {
            start: match message.start {
                Some(Start::FromOffset(offset)) => LogStart::Offset(offset),
                Some(Start::TailBytes(bytes)) => LogStart::Tail(bytes),
                None => LogStart::Offset(0),
            },
            follow: message.follow,
            max_bytes: (message.max_bytes > 0).then_some(message.max_bytes),
        };
        let begin = if let LogStart::Offset(offset) = read.start { Some(offset) } else { None };
        let parts = self.platform.read_log(job, message.operator_name, read);
        let messages = messages(parts, begin, self.stop.clone());
        Ok(Response::new(lifetime.bound(messages)))
    }
}

/// Parts as messages, up to the end, which is told too when it is that of the server.
fn messages(
    parts: Answers<LogPart>,
    begin: Option<u64>,
    stop: Stop,
) -> impl Stream<Item = Result<wire::ReadLogResponse, Status>> + Send {
    let state = Some((parts, begin, Box::pin(stopped(stop))));
    stream::unfold(state, |state| async move {
        let (mut parts, next_offset, mut stopping) = state?;
        let part = tokio::select! {
            biased;
            () = &mut stopping => match next_offset {
                Some(next_offset) => Ok(LogPart::End { reason: wire::LogEndReason::Shutdown.into(), next_offset }),
                // Nothing was read, so there is no place to go on.
                None => return Some((Err(Status::unavailable("the server is about to stop")), None)),
            },
            part = parts.next() => part?,
        };
        match part {
            Ok(LogPart::Chunk { offset, data, spans }) => {
                let next_offset = offset.saturating_add(data.len() as u64);
                let message =
                    Part::Chunk(wire::LogChunk { offset, data, spans: spans.iter().map(span).collect() });
                Some((
                    Ok(wire::ReadLogResponse { part: Some(message) }),
                    Some((parts, Some(next_offset), stopping)),
                ))
            }
            Ok(LogPart::End { reason, next_offset }) => {
                let message = Part::End(wire::LogEnd { reason, next_offset });
                Some((Ok(wire::ReadLogResponse { part: Some(message) }), None))
            }
            Err(refusal) => Some((Err(status(&refusal)), None)),
        }
    })
}

fn span(span: &(u32, i32, std::time::SystemTime)) -> wire::LogSpan {
    let (length, stream, time) = *span;
    wire::LogSpan { length, stream, time: timestamp(time) }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use tokio::sync::watch;

    use super::*;

    fn chunk(offset: u64, data: &'static [u8]) -> LogPart {
        let length = u32::try_from(data.len()).unwrap();
        LogPart::Chunk { offset, data: data.into(), spans: vec![(length, 1, UNIX_EPOCH)] }
    }

    #[tokio::test]
    async fn nothing_follows_the_end() {
        let (_stopping, stop) = watch::channel(false);
        let parts = [chunk(0, b"ab"), LogPart::End { reason: 1, next_offset: 2 }, chunk(2, b"never sent")];
        let parts = Box::pin(stream::iter(parts.map(Ok)));
        let sent: Vec<_> =
            messages(parts, Some(0), stop).map(|message| message.unwrap().part.unwrap()).collect().await;
        let [Part::Chunk(chunk), Part::End(end)] = sent.as_slice() else { panic!("{sent:?}") };
        assert_eq!((chunk.offset, chunk.spans[0].length), (0, 2));
        assert_eq!((end.reason, end.next_offset), (1, 2));
    }

    #[tokio::test]
    async fn a_reader_that_follows_is_told_when_the_server_stops_and_where_to_go_on() {
        let (stopping, stop) = watch::channel(false);
        let parts = stream::iter([Ok(chunk(5, b"ab"))]).chain(stream::pending());
        let mut sent = Box::pin(messages(Box::pin(parts), Some(5), stop));
        assert!(matches!(sent.next().await.unwrap().unwrap().part, Some(Part::Chunk(_))));
        stopping.send_replace(true);
        let Some(Part::End(end)) = sent.next().await.unwrap().unwrap().part else { panic!("no end") };
        assert_eq!((end.reason, end.next_offset), (wire::LogEndReason::Shutdown.into(), 7));
        assert!(sent.next().await.is_none());
    }
}
