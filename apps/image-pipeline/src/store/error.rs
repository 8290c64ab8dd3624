//! Why a result cannot be stored.

use std::io;
use std::path::PathBuf;

use crate::shown;

/// Why an output cannot be used, or a result not be stored in it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The folder cannot be made or opened.
    #[error(
        "the output folder {} cannot be used: {source}; check the path and who may write there",
        shown(path)
    )]
    Folder {
        /// As given.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A link, or something else that is no folder, stands where a folder should be.
    #[error("{} in the output is {what}, not a folder; nothing is written through it", shown(path))]
    NotAFolder {
        /// Below the output.
        path: PathBuf,
        /// What it is.
        what: &'static str,
    },
    /// A folder has the name of the result.
    #[error("{} in the output is a folder; it is not replaced by a file", shown(path))]
    IsAFolder {
        /// Below the output.
        path: PathBuf,
    },
    /// A link has the name of the result, and nothing is behind it.
    #[error(
        "{} in the output is a link that leads nowhere, and no result; remove it, or have it replaced (overwrite)",
        shown(path)
    )]
    LeadsNowhere {
        /// Below the output.
        path: PathBuf,
    },
    /// The disk, or a quota, is full.
    #[error(
        "there is no more room for {}: {source}; make room and run again: what is written is kept",
        shown(path)
    )]
    Full {
        /// Below the output.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A write failed.
    #[error("{} cannot be written: {source}", shown(path))]
    Write {
        /// Below the output.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Standard output does not take it.
    #[error("the result cannot be written to standard output: {0}")]
    Stdout(io::Error),
    /// The settings for object storage make no sense.
    #[error(
        "the bucket {bucket} cannot be used: {source}; check the AWS_ variables, --endpoint and --region"
    )]
    Bucket {
        /// Its name.
        bucket: String,
        /// What is wrong.
        source: object_store::Error,
    },
    /// One of the settings for object storage cannot be used.
    #[error("the bucket {bucket} cannot be used: {} {reason}", by_all_names(setting))]
    Setting {
        /// Its name.
        bucket: String,
        /// The setting, as its variable is called.
        setting: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The name cannot be one in object storage.
    #[error("{} cannot be a name in object storage: {reason}; rename the file", shown(path))]
    Key {
        /// Below the output.
        path: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// There is no key, and the machine has no role.
    #[error(
        "there are no credentials for {bucket}: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; \
         the machine was asked for a role, and has none: {source}"
    )]
    NoCredentials {
        /// With its prefix.
        bucket: String,
        /// What the machine's metadata service said.
        source: object_store::Error,
    },
    /// Object storage does not let us look whether a result is there. Its answer has no reason in it.
    #[error(
        "cannot see whether {key} is there: {source}; either the credentials are wrong, or they lack s3:ListBucket on the \
         bucket, without which S3 answers so for what is not there, or s3:GetObject: grant both, or use --overwrite, which \
         does not look"
    )]
    MayNotLook {
        /// In the bucket.
        key: String,
        /// What it said.
        source: object_store::Error,
    },
    /// Object storage refused to tell whether a result is there, or could not be reached, in all attempts.
    #[error("cannot see whether {key} is there, {}: {source}", tried(*attempts, *is_out_of_budget))]
    Look {
        /// In the bucket.
        key: String,
        /// How often it was tried.
        attempts: u32,
        /// More attempts would have been made if fewer requests had failed.
        is_out_of_budget: bool,
        /// What the last one said.
        source: object_store::Error,
    },
    /// Object storage refused it, or could not be reached, in all attempts.
    #[error("{key} cannot be uploaded, {}: {source}{}", tried(*attempts, *is_out_of_budget), remedy(source))]
    Upload {
        /// In the bucket.
        key: String,
        /// How often it was tried.
        attempts: u32,
        /// More attempts would have been made if fewer uploads had failed.
        is_out_of_budget: bool,
        /// What the last one said.
        source: object_store::Error,
    },
}

// === impl StoreError ===

impl StoreError {
    /// Whether every other result would meet it too.
    pub(crate) fn is_final(&self) -> bool {
        use object_store::Error::{NotFound, PermissionDenied, Unauthenticated};
        match self {
            Self::Folder { .. }
            | Self::Full { .. }
            | Self::Bucket { .. }
            | Self::Setting { .. }
            | Self::NoCredentials { .. }
            | Self::MayNotLook { .. } => true,
            Self::Write { source, .. } => source.kind() == io::ErrorKind::ReadOnlyFilesystem,
            // What is not found by a put is the bucket.
            Self::Upload { source, .. } | Self::Look { source, .. } => {
                matches!(source, NotFound { .. } | PermissionDenied { .. } | Unauthenticated { .. })
            }
            _ => false,
        }
    }

    /// Whether many of them in a row mean that the storage is out of order.
    pub(crate) fn may_be_of_all(&self) -> bool {
        match self {
            Self::Upload { .. } | Self::Look { .. } => true,
            Self::Write { source, .. } => source.kind() != io::ErrorKind::InvalidFilename,
            _ => false,
        }
    }
}

/// How often something was tried, for people.
fn tried(attempts: u32, is_out_of_budget: bool) -> String {
    let times = if attempts == 1 { "tried once".to_owned() } else { format!("tried {attempts} times") };
    if is_out_of_budget { times + ", and too much fails to go on trying" } else { times }
}

/// A setting as a person may have given it.
fn by_all_names(setting: &str) -> String {
    match setting {
        "AWS_ENDPOINT_URL" => "--endpoint (AWS_ENDPOINT_URL)".to_owned(),
        "AWS_REGION" => "--region (AWS_REGION)".to_owned(),
        other => other.to_owned(),
    }
}

/// What to do, where the answer tells.
fn remedy(source: &object_store::Error) -> &'static str {
    let is_denied = matches!(source, object_store::Error::PermissionDenied { .. });
    if is_denied && source.to_string().contains("AccessDenied") {
        "; the credentials need s3:PutObject there"
    } else {
        ""
    }
}
