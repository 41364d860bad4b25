//! The two metadata calls that jobs, payloads, pipelines and models have alike.

/// Implements `add_metadata` and `remove_metadata` of a service.
macro_rules! metadata_calls {
    ($id:ty, $field:ident, $add:ident, $remove:ident, $add_call:literal, $remove_call:literal) => {
        /// Adds entries, all or none, and gives the whole set.
        ///
        /// # Errors
        /// [`ClientError`]; refused where a key is there already.
        pub async fn add_metadata(
            &self,
            id: $id,
            entries: &platform_api::metadata::Metadata,
        ) -> Result<platform_api::metadata::Metadata, ClientError> {
            let message = platform_api::proto::clara::$add {
                header: platform_api::header::request(),
                $field: platform_api::convert::identifier(id),
                metadata: entries.to_map(),
            };
            let mut stub = self.stub();
            let answer =
                self.client.change($add_call, message, async move |m| stub.add_metadata(m).await).await?;
            crate::wire::check(answer.header)?;
            let set = platform_api::metadata::Metadata::from_entries(answer.metadata);
            crate::wire::converted($add_call, set.map_err(Into::into))
        }

        /// Removes the entries of these keys and gives the whole set. Keys that are not there are ignored.
        ///
        /// # Errors
        /// [`ClientError`]
        pub async fn remove_metadata(
            &self,
            id: $id,
            keys: &[String],
        ) -> Result<platform_api::metadata::Metadata, ClientError> {
            let message = platform_api::proto::clara::$remove {
                header: platform_api::header::request(),
                $field: platform_api::convert::identifier(id),
                keys: keys.to_vec(),
            };
            let mut stub = self.stub();
            let answer = self
                .client
                .change($remove_call, message, async move |m| stub.remove_metadata(m).await)
                .await?;
            crate::wire::check(answer.header)?;
            let set = platform_api::metadata::Metadata::from_entries(answer.metadata);
            crate::wire::converted($remove_call, set.map_err(Into::into))
        }
    };
}

pub(crate) use metadata_calls;
