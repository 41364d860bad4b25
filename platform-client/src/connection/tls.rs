//! TLS: the system's certificates, those of a file, or one certificate by its fingerprint.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, Error, SignatureScheme};
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint};

use super::endpoint::Fingerprint;
use crate::error::ClientError;

/// What makes a server's certificate good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trust {
    /// An authority that the system trusts signed it, for this host.
    System,
    /// An authority in this PEM text signed it, for this host.
    Authorities(Vec<u8>),
    /// It is this very certificate, whoever signed it and for whatever host; for self-signed ones.
    Pinned(Fingerprint),
}

pub(super) fn secured(endpoint: Endpoint, trust: &Trust) -> Result<Endpoint, ClientError> {
    let result = match trust {
        Trust::System => endpoint.tls_config(ClientTlsConfig::new().with_native_roots()),
        Trust::Authorities(pem) => {
            endpoint.tls_config(ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem)))
        }
        Trust::Pinned(fingerprint) => {
            let provider = Arc::new(rustls::crypto::ring::default_provider());
            let verifier = Pinned { fingerprint: *fingerprint, provider };
            endpoint.tls_config_with_verifier(ClientTlsConfig::new(), Arc::new(verifier))
        }
    };
    result.map_err(|error| ClientError::Setting {
        what: format!("cannot set up TLS: {}", crate::error::chain(&error)),
    })
}

/// Takes one certificate and no other. That the server has its key is checked as ever.
#[derive(Debug)]
struct Pinned {
    fingerprint: Fingerprint,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if Fingerprint::of(end_entity) == self.fingerprint {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
