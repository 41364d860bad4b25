//! Models, catalogs and instances.

use bytes::Bytes;
use platform_api::code;
use platform_api::proto::clara as wire;
use platform_api::proto::clara::Identifier;

use crate::server::*;

fn part(name: &str, data: &'static [u8]) -> wire::ModelsUploadModelRequest {
    let details = wire::ModelDetails { name: name.to_owned(), r#type: 2, ..Default::default() };
    wire::ModelsUploadModelRequest { header: None, details: Some(details), data: Bytes::from_static(data) }
}

/// The smallest archive that is one: nothing but its end.
const EMPTY_ZIP: &[u8] = b"PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

async fn upload(server: &TestServer, name: &str) -> Identifier {
    let (head, tail) = EMPTY_ZIP.split_at(7);
    let answer = server.models().upload_model(tokio_stream::iter([part(name, head), part(name, tail)])).await;
    let answer = answer.unwrap().into_inner();
    accepted(&answer.header);
    let details = answer.details.unwrap();
    assert_eq!((details.name.as_str(), details.r#type), (name, 2));
    details.model_id.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_model_is_a_stream_without_messages() {
    let server = start().await;
    let list = wire::ModelsListModelsRequest::default();
    assert!(all(server.models().list_models(list).await.unwrap()).await.is_empty());
    let nothing = server.models().upload_model(tokio_stream::empty()).await.unwrap().into_inner();
    refused(&nothing.header, code::MODEL_UPLOAD_MALFORMED);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_comes_back_and_goes() {
    let server = start().await;
    let id = upload(&server, "liver").await;
    let listed =
        only(server.models().list_models(wire::ModelsListModelsRequest::default()).await.unwrap()).await;
    accepted(&listed.header);
    assert_eq!(listed.models[0].model_id.as_ref(), Some(&id));
    let ask = || wire::ModelsDownloadModelRequest { header: None, model_id: Some(id.clone()) };
    let messages = all(server.models().download_model(ask()).await.unwrap()).await;
    accepted(&messages[0].header);
    assert_eq!(messages[0].details.as_ref().unwrap().name, "liver");
    let data: Vec<u8> = messages.iter().flat_map(|message| message.data.to_vec()).collect();
    assert_eq!(data, EMPTY_ZIP);
    let add = wire::ModelsAddMetadataRequest {
        model_id: Some(id.clone()),
        metadata: [("k".to_owned(), "v".to_owned())].into(),
        header: None,
    };
    let added = server.models().add_metadata(add).await.unwrap().into_inner();
    assert_eq!((added.model_id.as_ref(), added.metadata.len()), (Some(&id), 1));
    let remove = wire::ModelsRemoveMetadataRequest {
        model_id: Some(id.clone()),
        keys: vec!["K".into()],
        header: None,
    };
    assert!(server.models().remove_metadata(remove).await.unwrap().into_inner().metadata.is_empty());
    let delete = wire::ModelsDeleteModelRequest { header: None, model_id: Some(id.clone()) };
    let deleted = server.models().delete_model(delete).await.unwrap().into_inner();
    accepted(&deleted.header);
    assert_eq!(deleted.model_id.as_ref(), Some(&id));
    refused(&only(server.models().download_model(ask()).await.unwrap()).await.header, code::MODEL_UNKNOWN);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_catalog_holds_what_the_last_update_says() {
    let server = start().await;
    let models = [upload(&server, "a").await, upload(&server, "b").await];
    let made = server.models().create_catalog(wire::ModelsCreateCatalogRequest::default()).await.unwrap();
    let id = made.into_inner().catalog_id;
    let read = || wire::ModelsReadCatalogRequest { header: None, catalog_id: id.clone() };
    let empty = only(server.models().read_catalog(read()).await.unwrap()).await;
    assert_eq!((empty.catalog_id.as_ref(), empty.models.len()), (id.as_ref(), 0));
    // The list may come in several messages.
    let updates = models.clone().map(|model| wire::ModelsUpdateCatalogRequest {
        header: None,
        catalog_id: id.clone(),
        model_ids: vec![model],
    });
    let updated = server.models().update_catalog(tokio_stream::iter(updates)).await.unwrap().into_inner();
    accepted(&updated.header);
    assert_eq!(updated.catalog_id, id);
    assert_eq!(only(server.models().read_catalog(read()).await.unwrap()).await.models.len(), 2);
    let listed =
        only(server.models().list_catalogs(wire::ModelsListCatalogsRequest::default()).await.unwrap()).await;
    assert_eq!((listed.catalogs[0].catalog_id.as_ref(), listed.catalogs[0].models.len()), (id.as_ref(), 2));
    let delete = wire::ModelsDeleteCatalogRequest { header: None, catalog_id: id.clone() };
    assert_eq!(server.models().delete_catalog(delete).await.unwrap().into_inner().catalog_id, id);
    refused(&only(server.models().read_catalog(read()).await.unwrap()).await.header, code::CATALOG_UNKNOWN);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_serves_a_list_and_there_are_only_so_many() {
    let server = start().await;
    let model = upload(&server, "a").await;
    let create = wire::ModelsCreateInstanceRequest::default;
    let id = server.models().create_instance(create()).await.unwrap().into_inner().instance_id;
    assert!(id.is_some());
    let beyond = server.models().create_instance(create()).await.unwrap().into_inner();
    refused(&beyond.header, code::INSTANCES_EXHAUSTED);
    let update =
        wire::ModelsUpdateInstanceRequest { header: None, instance_id: id.clone(), model_ids: vec![model] };
    let updated = server.models().update_instance(tokio_stream::once(update)).await.unwrap().into_inner();
    accepted(&updated.header);
    assert_eq!(updated.instance_id, id);
    let read = wire::ModelsReadInstanceRequest { header: None, instance_id: id.clone() };
    let served = only(server.models().read_instance(read).await.unwrap()).await;
    assert_eq!((served.instance_id.as_ref(), served.models.len()), (id.as_ref(), 1));
    let list = wire::ModelsListInstancesRequest::default();
    let listed = only(server.models().list_instances(list).await.unwrap()).await;
    assert_eq!(listed.instances[0].catalog_id, id, "the instance's identifier is in the catalog's field");
    let delete = wire::ModelsDeleteInstanceRequest { header: None, instance_id: id.clone() };
    assert_eq!(server.models().delete_instance(delete).await.unwrap().into_inner().instance_id, id);
}
