//! Files up and down.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use platform_api::proto::clara::{PayloadFileDetails, PayloadsDownloadResponse, ResponseHeader};
use platform_client::id::PayloadId;
use platform_client::payload::PayloadPath;
use platform_client::payloads::{Download, Overwrite, TransferProgress, Upload, files_below};
use platform_client::{Client, ClientError, ErrorKind};

use crate::client;
use crate::fake::{Fake, Fault};

async fn payload(client: &Client) -> PayloadId {
    client.payloads().create(&Default::default()).await.unwrap()
}

fn put(fake: &Fake, id: PayloadId, name: &str, data: &[u8]) {
    let mut state = fake.state();
    state.payloads.get_mut(&id.to_string()).unwrap().files.insert(name.to_owned(), data.to_vec());
}

fn wanted(names: &[&str]) -> Vec<Download> {
    let path = |name: &&str| PayloadPath::to_find(name).unwrap();
    names.iter().map(|name| Download { path: path(name), size: 0, target: path(name) }).collect()
}

async fn fetch(
    client: &Client,
    id: PayloadId,
    folder: &Path,
    names: &[&str],
    overwrite: Overwrite,
) -> Result<usize, ClientError> {
    let progress = Arc::new(TransferProgress::new());
    let done = client.payloads().download(id, folder, wanted(names), overwrite, 3, &progress).await?;
    Ok(done.len())
}

fn names_in(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_folder_goes_up_and_comes_back_byte_for_byte() {
    let fake = Fake::new();
    let client = client(fake.serve().await);
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    std::fs::create_dir_all(root.join("up/series/1")).unwrap();
    // Nothing, one byte, a whole piece, a byte more, and several pieces.
    let sizes = [0, 1, 1 << 20, (1 << 20) + 1, 3_500_000];
    for (at, size) in sizes.iter().enumerate() {
        let data: Vec<u8> = (0..*size).map(|n: usize| (n * 7 + at) as u8).collect();
        std::fs::write(root.join(format!("up/series/1/{at}.dcm")), data).unwrap();
    }
    let files = files_below(&root.join("up")).unwrap();
    assert_eq!(files[0].path.as_relative(), "series/1/0.dcm");
    let id = payload(&client).await;
    let progress = Arc::new(TransferProgress::new());
    client.payloads().upload(id, files, 2, &progress).await.unwrap();
    let total = sizes.iter().sum::<usize>() as u64;
    assert_eq!((progress.files(), progress.bytes()), ((5, 5), (total, total)));
    let details = client.payloads().details(id).await.unwrap();
    assert_eq!(details.files.len(), 5);
    let names: Vec<String> = details.files.iter().map(|file| file.path.to_string()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    assert_eq!(fetch(&client, id, &root.join("down"), &names, Overwrite::Never).await.unwrap(), 5);
    for at in 0..sizes.len() {
        let read = |way: &str| std::fs::read(root.join(format!("{way}/series/1/{at}.dcm"))).unwrap();
        assert!(read("up") == read("down"), "{at}");
    }
    assert_eq!(names_in(&root.join("down/series/1")).len(), 5, "no temporary file is left");
}

#[tokio::test]
async fn files_that_are_there_stay_unless_asked_otherwise() {
    let fake = Fake::new();
    let client = client(fake.serve().await);
    let id = payload(&client).await;
    put(&fake, id, "/a", b"new");
    put(&fake, id, "/b", b"new");
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("b"), "old").unwrap();
    let error = fetch(&client, id, folder.path(), &["/a", "/b"], Overwrite::Never).await.unwrap_err();
    assert!(matches!(&error, ClientError::Exists { path } if path.ends_with("b")), "{error:?}");
    assert_eq!(names_in(folder.path()), ["b"], "nothing was fetched");
    fetch(&client, id, folder.path(), &["/a", "/b"], Overwrite::Replace).await.unwrap();
    assert_eq!(std::fs::read(folder.path().join("b")).unwrap(), b"new");
}

#[tokio::test]
async fn names_that_leave_the_folder_are_never_written() {
    let fake = Fake::new();
    let client = client(fake.serve().await);
    let id = payload(&client).await;
    for name in ["/../escaped", "/a/../../escaped", "//", "/ok"] {
        put(&fake, id, name, b"x");
    }
    let details = client.payloads().details(id).await.unwrap();
    let names: Vec<_> = details.files.iter().map(|file| file.path.to_string()).collect();
    assert_eq!(names, ["/ok"]);
    assert_eq!(details.refused.len(), 3);
}

#[cfg(unix)]
#[tokio::test]
async fn links_below_the_folder_are_not_followed() {
    let fake = Fake::new();
    let client = client(fake.serve().await);
    let id = payload(&client).await;
    put(&fake, id, "/sub/a", b"x");
    let (folder, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    std::os::unix::fs::symlink(outside.path(), folder.path().join("sub")).unwrap();
    let error = fetch(&client, id, folder.path(), &["/sub/a"], Overwrite::Replace).await.unwrap_err();
    assert!(matches!(error, ClientError::Exists { .. }), "{error:?}");
    assert!(names_in(outside.path()).is_empty());
}

#[tokio::test]
async fn a_stream_that_ends_early_is_no_file() {
    let fake = Fake::new();
    let client = client(fake.serve().await);
    let id = payload(&client).await;
    put(&fake, id, "/a", &[1; 300_000]);
    let folder = tempfile::tempdir().unwrap();
    for fault in [Fault::End(2), Fault::End(0)] {
        fake.fail("Payloads.Download", fault);
        let error = fetch(&client, id, folder.path(), &["/a"], Overwrite::Never).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol, "{error:?}");
    }
    assert!(names_in(folder.path()).is_empty());
    assert_eq!(fake.count("Payloads.Download"), 2, "a wrong answer is not asked for again");
}

#[tokio::test]
async fn a_refusal_says_what_the_server_said() {
    let fake = Fake::new();
    let client = client(fake.serve().await);
    let id = payload(&client).await;
    let folder = tempfile::tempdir().unwrap();
    let error = fetch(&client, id, folder.path(), &["/none"], Overwrite::Never).await.unwrap_err();
    assert_eq!(
        (error.code().as_deref(), error.to_string().as_str()),
        (Some("-12545"), "the payload has no such file")
    );
    assert!(names_in(folder.path()).is_empty());
}

fn file(folder: &Path, bytes: usize) -> Upload {
    let source = folder.join("big");
    std::fs::write(&source, vec![9; bytes]).unwrap();
    Upload { source, path: PayloadPath::to_create("big").unwrap(), size: bytes as u64 }
}

#[tokio::test]
async fn an_upload_that_is_refused_at_once_ends_although_much_is_left_to_send() {
    let fake = Fake::new();
    let client = client(fake.serve().await);
    let id = payload(&client).await;
    let folder = tempfile::tempdir().unwrap();
    let big = file(folder.path(), 64 << 20);
    fake.fail("Payloads.Upload", Fault::Refuse(-12549, "read-only"));
    let progress = Arc::new(TransferProgress::new());
    let payloads = client.payloads();
    let upload = payloads.upload(id, vec![big], 1, &progress);
    let result = tokio::time::timeout(Duration::from_secs(60), upload).await.expect("it ends");
    assert_eq!(result.unwrap_err().code().as_deref(), Some("-12549"));
}

#[tokio::test]
async fn an_upload_of_which_less_arrived_is_an_error() {
    let fake = Fake::new();
    let client = client(fake.serve().await);
    let id = payload(&client).await;
    let folder = tempfile::tempdir().unwrap();
    let file = file(folder.path(), 100);
    // The fake leaves this many bytes out of what it says it stored.
    fake.fail("Payloads.Upload", Fault::End(1));
    let progress = Arc::new(TransferProgress::new());
    let error = client.payloads().upload(id, vec![file], 1, &progress).await.unwrap_err();
    assert!(error.to_string().contains("100 bytes were sent and 99 stored"), "{error}");
}

#[cfg(unix)]
#[tokio::test]
async fn a_file_that_cannot_be_read_leaves_nothing_behind() {
    let fake = Fake::new();
    let client = client(fake.serve().await);
    let id = payload(&client).await;
    let folder = tempfile::tempdir().unwrap();
    // Opens, and fails when it is read.
    let path = PayloadPath::to_create("x").unwrap();
    let upload = Upload { source: folder.path().to_owned(), path, size: 5 };
    let progress = Arc::new(TransferProgress::new());
    let error = client.payloads().upload(id, vec![upload], 1, &progress).await.unwrap_err();
    assert!(matches!(error, ClientError::File { action: "read", .. }), "{error:?}");
    assert!(client.payloads().details(id).await.unwrap().files.is_empty());
}

#[tokio::test]
async fn messages_are_taken_up_to_four_mebibytes_and_not_beyond() {
    use prost_bytes_of as encoded;
    fn prost_bytes_of(data: usize) -> usize {
        // Field, length and content of data and details; the header of a success is two bytes.
        let name = "/a".len();
        let varint = |n: usize| (1..).find(|k| n < 1 << (7 * k)).unwrap();
        let details = 1 + varint(data) + 1 + 1 + name;
        2 + (1 + 1 + details) + (1 + varint(data) + data)
    }
    let fake = Fake::new();
    let client = client(fake.serve().await);
    let id = payload(&client).await;
    let limit = 4 << 20;
    let data = (0..64).map(|less| limit - less).find(|data| encoded(*data) == limit).unwrap();
    let message = PayloadsDownloadResponse {
        header: Some(ResponseHeader::default()),
        details: Some(PayloadFileDetails { mode: 0, size: data as u64, name: "/a".to_owned() }),
        data: vec![0; data].into(),
    };
    assert_eq!(message_bytes(&message), limit, "the sum above is right");
    let folder = tempfile::tempdir().unwrap();
    fake.state().piece_bytes = 8 << 20;
    put(&fake, id, "/a", &vec![0; data]);
    assert_eq!(fetch(&client, id, folder.path(), &["/a"], Overwrite::Never).await.unwrap(), 1);
    put(&fake, id, "/a", &vec![0; data + 1]);
    let error = fetch(&client, id, folder.path(), &["/a"], Overwrite::Replace).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol, "{error:?}");
}

fn message_bytes(message: &impl prost::Message) -> usize {
    message.encoded_len()
}
