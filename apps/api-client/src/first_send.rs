//! What is done before a request is sent for the first time, when its turn has come.

use std::fmt;
use std::sync::Arc;

use futures_util::future::BoxFuture;

/// Completes with true when the request may be sent. Otherwise it fails as if the client were closed.
#[derive(Clone)]
pub(crate) struct FirstSend(Arc<dyn Fn() -> BoxFuture<'static, bool> + Send + Sync>);

// === impl FirstSend ===

impl FirstSend {
    pub(crate) fn new(prepare: impl Fn() -> BoxFuture<'static, bool> + Send + Sync + 'static) -> Self {
        Self(Arc::new(prepare))
    }

    pub(crate) async fn prepare(&self) -> bool {
        (self.0)().await
    }
}

impl fmt::Debug for FirstSend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FirstSend")
    }
}
