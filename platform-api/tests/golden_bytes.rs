//! Bytes that the published client's own classes wrote: ours must write the same and read them back.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::BTreeMap;
use std::fmt::Debug;

use platform_api::proto::clara::jobs_list_request::JobFilter;
use platform_api::proto::clara::jobs_start_request::NamedValue;
use platform_api::proto::clara::*;
use prost::Message;

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

#[track_caller]
fn check<M: Message + Default + PartialEq + Debug>(message: M, hex: &str) {
    assert_eq!(message.encode_to_vec(), bytes(hex), "{message:?}");
    assert_eq!(M::decode(bytes(hex).as_slice()).unwrap(), message);
}

#[test]
fn request_header_is_written_as_the_published_client_does() {
    check(
        RequestHeader {
            api_version: Some(Version { major: 0, minor: 6, patch: 0, label: String::new() }),
            user_agent: "Nvidia.Clara.Platform".to_owned(),
        },
        "0a02100612154e76696469612e436c6172612e506c6174666f726d",
    );
}

#[test]
fn response_header_codes_are_zigzag() {
    check(ResponseHeader::default(), "");
    check(ResponseHeader { code: -8452, messages: vec!["no".to_owned()] }, "0887840112026e6f");
}

#[test]
fn timestamps_are_zigzag_seconds() {
    check(Timestamp { value: 63_750_823_591 }, "08cefac2fdda03");
}

#[test]
fn identifiers_are_text() {
    check(
        Identifier { value: "0123456789abcdef0123456789abcdef".to_owned() },
        "0a203031323334353637383961626364656630313233343536373839616263646566",
    );
}

#[test]
fn variables_of_a_start_are_field_three() {
    let variables = vec![NamedValue { name: "A".to_owned(), value: "b".to_owned() }];
    check(JobsStartRequest { variables, ..Default::default() }, "1a060a0141120162");
}

#[test]
fn filters_pack_their_enumerations() {
    let filter = JobFilter {
        has_state: vec![JobState::Pending.into(), JobState::Running.into()],
        has_status: vec![JobStatus::Healthy.into()],
        ..Default::default()
    };
    check(JobsListRequest { header: None, filter: Some(filter) }, "12071a020102220101");
}

#[test]
fn a_present_but_empty_header_is_two_bytes() {
    let mut answer = JobsStatusResponse { header: Some(ResponseHeader::default()), ..Default::default() };
    answer.set_state(JobState::Stopped);
    answer.set_status(JobStatus::Faulted);
    answer.set_priority(JobPriority::Higher);
    check(answer, "0a00280330024803");
}

#[test]
fn a_piece_of_an_upload_is_details_and_data() {
    let details = PayloadFileDetails { mode: 0, size: 2, name: "a".to_owned() };
    check(
        PayloadsUploadRequest { details: Some(details), data: "hi".into(), ..Default::default() },
        "1a0510021a016122026869",
    );
}

#[test]
fn metadata_is_a_map_of_text() {
    let mut answer = PayloadsDetailsResponse {
        metadata: BTreeMap::from([("k".to_owned(), "v".to_owned())]),
        ..Default::default()
    };
    answer.set_type(PayloadType::Reusable);
    check(answer, "200232060a016b120176");
}
