//! Whatever bytes come over the socket are a frame or are refused, and no frame has two forms.
#![allow(clippy::unwrap_used, reason = "a failing helper is a failing test")]

use lantern_fastio::wire::{
    self, Description, HEADER_BYTES, Level, MAX_NAME_BYTES, MAX_RANK, MAX_TEXT_BYTES, Request,
};
use lantern_fastio::{ElementType, wire::VERSION};
use proptest::prelude::*;

/// Bytes behind a header that is right, so that the body is what is tried.
fn framed(kind: u16, number: u32, body: &[u8]) -> Vec<u8> {
    let len = u32::try_from(HEADER_BYTES + body.len()).unwrap();
    let mut frame = len.to_le_bytes().to_vec();
    frame.extend(VERSION.to_le_bytes());
    frame.extend(kind.to_le_bytes());
    frame.extend(number.to_le_bytes());
    frame.extend([0; 4]);
    frame.extend(body);
    frame
}

fn description() -> impl Strategy<Value = Description> {
    let shape = prop::collection::vec(any::<u64>(), 0..=MAX_RANK);
    (any::<String>(), 0..ElementType::ALL.len(), shape, any::<String>()).prop_map(
        |(name, element, shape, text)| Description {
            name: wire::cut(&name, MAX_NAME_BYTES).to_owned(),
            element: ElementType::ALL[element],
            shape,
            text: wire::cut(&text, MAX_TEXT_BYTES).to_owned(),
        },
    )
}

proptest! {
    #[test]
    fn any_bytes_are_a_frame_or_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = wire::decode_request(&bytes);
        let _ = wire::decode_reply(&bytes);
    }

    #[test]
    fn any_body_is_read_or_refused_and_what_is_read_has_one_form(
        kind in prop_oneof![0u16..20, 126u16..132, Just(255), any::<u16>()],
        number in any::<u32>(),
        body in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let frame = framed(kind, number, &body);
        if let Ok((found, request)) = wire::decode_request(&frame) {
            prop_assert_eq!(found, number);
            prop_assert_eq!(wire::encode_request(number, &request), frame.clone());
        }
        let _ = wire::decode_reply(&frame);
    }

    #[test]
    fn requests_read_back_as_they_were_written(
        number in any::<u32>(),
        description in description(),
        wait_ms in any::<u32>(),
        fraction in 0.0f32..=1.0,
    ) {
        let (name, text) = (description.name.clone(), description.text.clone());
        for request in [
            Request::Open { name: name.clone(), wait_ms },
            Request::Publish { name },
            Request::Progress { fraction, text: text.clone() },
            Request::Log { level: Level::Error, text },
            Request::Allocate(description),
        ] {
            let frame = wire::encode_request(number, &request);
            prop_assert!(frame.len() <= wire::MAX_FRAME_BYTES);
            prop_assert_eq!(wire::decode_request(&frame), Ok((number, request)));
        }
    }

    #[test]
    fn sizes_are_checked_before_they_are_used(shape in prop::collection::vec(any::<u64>(), 0..=MAX_RANK)) {
        let exact = shape.iter().try_fold(8u128, |bytes, length| bytes.checked_mul(u128::from(*length)));
        let exact = if shape.contains(&0) { Some(0) } else { exact };
        let fits = exact.filter(|bytes| *bytes <= i64::MAX as u128).map(|bytes| bytes as u64);
        prop_assert_eq!(ElementType::Float64.buffer_bytes(&shape), fits);
    }
}
