//! A bucket in object storage that speaks S3's protocol.
//!
//! A put is all or nothing there. What fails for a reason that may pass is tried again, with growing pauses, and within
//! a budget over all uploads: each success allows some retries, so a storage that fails now and then is got through,
//! and one that is down is not hammered. `object_store` can retry too, but each request by itself.

use std::time::Duration;

use bytes::Bytes;
use forebay::pool::Backoff;
use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey};
use object_store::path::{Path as Key, PathPart};
use object_store::{
    Attribute, ClientOptions, Error, ObjectStore, ObjectStoreExt, PutOptions, PutPayload, RetryConfig,
};
use tokio::time;
use tower::retry::budget::{Budget, TpsBudget};

use super::{Present, StoreError};
use crate::Name;
use crate::picture::Format;

/// A bucket that results are put into, below a prefix.
pub struct Bucket {
    store: AmazonS3,
    prefix: Key,
    label: String,
    /// Nobody gave a key, so the machine is asked for its role.
    asks_machine: bool,
    budget: TpsBudget,
}

/// How to reach a bucket.
///
/// ```
/// use image_pipeline::store::{Bucket, BucketOptions};
///
/// let options = BucketOptions {
///     bucket: "pictures".to_owned(),
///     prefix: "2024/small".to_owned(),
///     settings: [
///         ("aws_endpoint_url", "http://127.0.0.1:9000"),
///         ("aws_access_key_id", "key"),
///         ("aws_secret_access_key", "secret"),
///     ]
///     .map(|(key, value)| (key.to_owned(), value.to_owned()))
///     .into(),
/// };
/// assert!(Bucket::open(&options).is_ok());
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct BucketOptions {
    /// Its name.
    pub bucket: String,
    /// What all names begin with, without slashes around it; may be empty.
    pub prefix: String,
    /// Region, endpoint, credentials and more, by the names of the usual environment variables in lower case, such as
    /// `aws_region`, `aws_endpoint_url`, `aws_access_key_id`. Later ones win, and unknown ones are passed over. An
    /// endpoint that begins with `http://` is spoken to without encryption.
    pub settings: Vec<(String, String)>,
}

/// Pauses before the second attempt and the following ones.
const BACKOFF: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));

/// How often one upload is tried at the most.
const MOST_ATTEMPTS: u32 = 8;

/// How often the machine is asked for its role at the most: most machines have none, and nobody answers.
const MOST_QUESTIONS: u32 = 3;

/// Retries over all uploads: ten a second in any case, and one for every two successes of the last ten seconds.
fn budget() -> TpsBudget {
    TpsBudget::new(Duration::from_secs(10), 10, 0.5)
}

// === impl Bucket ===

impl Bucket {
    /// Checks the options; the bucket itself is asked by the first upload.
    ///
    /// Uses ring for TLS, and makes it the process's provider for rustls, unless there is one.
    ///
    /// # Errors
    ///
    /// [`StoreError::Bucket`], [`StoreError::Setting`] and [`StoreError::Key`].
    pub fn open(options: &BucketOptions) -> Result<Self, StoreError> {
        // Fails where the program has chosen one, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let prefix = Key::parse(&options.prefix)
            .map_err(|_| StoreError::Key { path: (&options.prefix).into(), reason: "it is no prefix" })?;
        let mut builder = AmazonS3Builder::new();
        let (mut is_plain, mut asks_machine) = (false, true);
        let refused =
            |setting: String, reason| StoreError::Setting { bucket: options.bucket.clone(), setting, reason };
        let is_of_bucket = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        if options.bucket.is_empty() || !options.bucket.bytes().all(is_of_bucket) {
            return Err(refused(
                "its name".to_owned(),
                "has other characters than letters, digits, `-`, `.` and `_`",
            ));
        }
        for (name, value) in &options.settings {
            let Ok(key) = name.parse() else { continue };
            // As the tools of AWS have it: a variable that is empty is not set.
            if value.is_empty() {
                continue;
            }
            // `object_store` panics at what cannot be in a request. The value may be secret.
            if let Some(reason) = wrong_with(&key, value) {
                return Err(refused(name.to_ascii_uppercase(), reason));
            }
            builder = builder.with_config(key, value);
            is_plain |= value.starts_with("http://");
            asks_machine &= !matches!(key, AmazonS3ConfigKey::AccessKeyId | AmazonS3ConfigKey::SkipSignature);
        }
        let client = ClientOptions::new().with_allow_http(is_plain).with_timeout(Duration::from_secs(120));
        let store = builder
            .with_bucket_name(&options.bucket)
            .with_client_options(client)
            .with_retry(RetryConfig { max_retries: 0, ..RetryConfig::default() })
            .build()
            .map_err(|source| StoreError::Bucket { bucket: options.bucket.clone(), source })?;
        let label = format!("s3://{}/{}", options.bucket, options.prefix);
        Ok(Self { store, prefix, label, asks_machine, budget: budget() })
    }

    /// `s3://bucket/prefix`.
    pub fn label(&self) -> &str {
        &self.label
    }

    pub(super) async fn present(&self, name: &Name) -> Result<Option<Present>, StoreError> {
        let key = self.key(name)?;
        let meta = self.attempt(&key, || self.store.head(&key)).await;
        match meta {
            Ok(meta) => Ok(Some(Present { modified: Some(meta.last_modified.into()) })),
            Err(StoreError::Upload { source: Error::NotFound { .. }, .. }) => Ok(None),
            Err(StoreError::Upload { key, source: source @ Error::PermissionDenied { .. }, .. }) => {
                Err(StoreError::MayNotLook { key, source })
            }
            Err(StoreError::Upload { key, attempts, is_out_of_budget, source }) => {
                Err(StoreError::Look { key, attempts, is_out_of_budget, source })
            }
            Err(error) => Err(error),
        }
    }

    pub(super) async fn put(&self, name: &Name, bytes: Bytes, format: Format) -> Result<(), StoreError> {
        let key = self.key(name)?;
        let mut options = PutOptions::default();
        options.attributes.insert(Attribute::ContentType, format.media_type().into());
        let put = || self.store.put_opts(&key, PutPayload::from_bytes(bytes.clone()), options.clone());
        self.attempt(&key, put).await.map(drop)
    }

    /// Tries until it succeeds, fails for good, or has been tried often enough.
    async fn attempt<T, F>(&self, key: &Key, request: impl Fn() -> F) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let mut attempts = 0;
        loop {
            attempts += 1;
            let source = match request().await {
                Ok(answer) => {
                    self.budget.deposit();
                    return Ok(answer);
                }
                Err(error) => error,
            };
            let is_about_role = self.asks_machine && is_about_role(&source);
            let most = if is_about_role { MOST_QUESTIONS } else { MOST_ATTEMPTS };
            let may_pass = matches!(source, Error::Generic { .. }) && attempts < most;
            let is_out_of_budget = may_pass && !self.budget.withdraw();
            if !may_pass && is_about_role {
                return Err(StoreError::NoCredentials { bucket: self.label.clone(), source });
            }
            if !may_pass || is_out_of_budget {
                return Err(StoreError::Upload { key: key.to_string(), attempts, is_out_of_budget, source });
            }
            tracing::debug!(%key, attempts, error = %source, "trying again");
            time::sleep(BACKOFF.after(attempts + 1)).await;
        }
    }

    fn key(&self, name: &Name) -> Result<Key, StoreError> {
        let refused = |reason| StoreError::Key { path: name.as_path().to_owned(), reason };
        let mut key = self.prefix.clone();
        for part in name.as_path() {
            let part = part.to_str().ok_or_else(|| refused("it is not UTF-8"))?;
            let part = PathPart::parse(part).map_err(|_| refused("it has a control character"))?;
            key = key.join(part);
        }
        Ok(key)
    }
}

/// Why no request can be made with this value of a setting.
fn wrong_with(key: &AmazonS3ConfigKey, value: &str) -> Option<&'static str> {
    if !value.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        return Some("has a line end in it, or another character that is none of ASCII's");
    }
    let is_endpoint = matches!(key, AmazonS3ConfigKey::Endpoint);
    let is_address = || {
        let url = reqwest::Url::parse(value).ok();
        url.is_some_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
    };
    (is_endpoint && !is_address())
        .then_some("is no address; it looks like https://s3.example.com or http://127.0.0.1:9000")
}

/// Whether it was not the storage that failed, but what was asked before it for the role of the machine.
fn is_about_role(error: &Error) -> bool {
    let said = error.to_string();
    said.contains("/latest/api/token") || said.contains("/latest/meta-data")
}

impl std::fmt::Debug for Bucket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bucket").field("label", &self.label).finish_non_exhaustive()
    }
}

// === impl BucketOptions ===

impl std::fmt::Debug for BucketOptions {
    /// Without the values of the settings, which may be secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let keys: Vec<_> = self.settings.iter().map(|(key, _)| key).collect();
        f.debug_struct("BucketOptions")
            .field("bucket", &self.bucket)
            .field("prefix", &self.prefix)
            .field("settings", &keys)
            .finish()
    }
}
