//! Classes of requests, and who of them is sent first.

use std::str::FromStr;
use std::sync::Arc;

use forebay::priority::{self, Share, Strict, WeightedFair};
use forebay::queue::{By, QueueError, QueueLayer};
use tower::util::BoxCloneSyncService;
use tower::{Service, ServiceBuilder};

use crate::{BuildError, Reason};

/// The classes of the requests that wait for the same host, and who of them is sent first.
///
/// By urgency, a class goes before all that come after it, but for a request that was overtaken a thousand times. By
/// shares, each class that has somebody waiting gets starts in proportion to its share. Within a class they go as they come.
///
/// The default is `high`, `medium` and `low`, by urgency. A request that names no class is of the class `medium`, or of the
/// last one if there is no such class.
///
/// ```
/// use api_client::{Classes, Client};
///
/// let shares = Classes::by_shares([("people", 4), ("robots", 1)])?.with_default("people")?;
/// assert_eq!(shares, "people=4,robots=1".parse::<Classes>()?.with_default("people")?);
/// let client = Client::builder().classes(shares).build()?;
/// # Ok::<(), api_client::BuildError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Classes {
    classes: priority::Classes,
    /// Of each class, in their order; none: by urgency.
    shares: Option<Vec<u32>>,
}

/// The class that a request on its way through a [stack](crate::Builder::stack) is of, as an extension of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Class(pub Arc<str>);

/// A request's place in line, on its way to a host.
pub(crate) type Lined<B, R> = BoxCloneSyncService<http::Request<B>, http::Response<R>, Reason>;

// === impl Classes ===

impl Classes {
    /// Classes of these names, the most urgent first.
    ///
    /// # Errors
    ///
    /// [`BuildError::Classes`]: there is none, or two have the same name.
    pub fn by_urgency<N: Into<String>>(names: impl IntoIterator<Item = N>) -> Result<Self, BuildError> {
        Ok(Self { classes: with_usual_default(priority::Classes::new(names)?), shares: None })
    }

    /// Classes of these names, each with its share, from 1 to 2^20.
    ///
    /// # Errors
    ///
    /// [`BuildError::Classes`]: there is none, two have the same name, or a share is out of its range.
    pub fn by_shares<N: Into<String>>(
        shares: impl IntoIterator<Item = (N, u32)>,
    ) -> Result<Self, BuildError> {
        let (names, shares): (Vec<String>, Vec<u32>) =
            shares.into_iter().map(|(name, share)| (name.into(), share)).unzip();
        // Made here only to be checked: what is kept can be compared and copied.
        WeightedFair::new(names.iter().cloned().zip(shares.iter().copied()))?;
        Ok(Self { classes: with_usual_default(priority::Classes::new(names)?), shares: Some(shares) })
    }

    /// The class of the requests that name none.
    ///
    /// # Errors
    ///
    /// [`BuildError::Classes`]: there is no class of that name.
    pub fn with_default(mut self, name: &str) -> Result<Self, BuildError> {
        self.classes = self.classes.with_default(name)?;
        Ok(self)
    }

    /// Lets requests wait for `service` in this order, up to `capacity` of them.
    pub(crate) fn line<S, B, R>(&self, capacity: usize, service: S) -> Lined<B, R>
    where
        S: Service<http::Request<B>, Response = http::Response<R>, Error = Reason, Future: Send>
            + Clone
            + Send
            + Sync
            + 'static,
        B: Send + 'static,
        R: Send + 'static,
    {
        let line = QueueLayer::new(capacity).max_waiting(usize::MAX);
        let names = self.classes.clone();
        let class = move |request: &http::Request<B>| match request.extensions().get() {
            None => Ok(priority::Class::DEFAULT),
            Some(Class(name)) => names.named(name),
        };
        let stack = ServiceBuilder::new().map_err(of_queue);
        match &self.shares {
            None => {
                let urgency = Strict::new(self.classes.clone());
                BoxCloneSyncService::new(stack.layer(line.line(By::new(urgency, class))).service(service))
            }
            Some(shares) => {
                let default = &self.classes.names()[self.classes.index(priority::Class::DEFAULT)];
                let shares = self.classes.names().iter().cloned().zip(shares.iter().copied());
                let shares = WeightedFair::new(shares).and_then(|shares| shares.with_default(default));
                let shares = shares.expect("they were checked when they came");
                let share =
                    move |request: &http::Request<B>| class(request).map(|class| Share::new(class, 1));
                BoxCloneSyncService::new(stack.layer(line.line(By::new(shares, share))).service(service))
            }
        }
    }
}

fn with_usual_default(classes: priority::Classes) -> priority::Classes {
    classes.clone().with_default("medium").unwrap_or(classes)
}

fn of_queue<B>(error: QueueError<Reason, B>) -> Reason {
    match error {
        QueueError::Inner(reason) => reason,
        QueueError::Closed(_) => Reason::Closed,
        QueueError::Unclassified(_, unknown) => Reason::Class(*unknown),
        other => Reason::Service(other.into_box()),
    }
}

impl Default for Classes {
    fn default() -> Self {
        Self { classes: priority::Classes::levels(), shares: None }
    }
}

/// `high,medium,low`, or with shares `high=4,low=1`.
impl FromStr for Classes {
    type Err = BuildError;

    fn from_str(text: &str) -> Result<Self, BuildError> {
        let wrong = || BuildError::ClassList(text.to_owned());
        let names: Vec<&str> = text.split(',').map(str::trim).collect();
        if names.iter().any(|name| name.is_empty()) {
            return Err(wrong());
        }
        if !text.contains('=') {
            return Self::by_urgency(names);
        }
        let shares = names.into_iter().map(|name| {
            let (name, share) = name.split_once('=')?;
            Some((name.trim(), share.trim().parse().ok()?))
        });
        Self::by_shares(shares.collect::<Option<Vec<_>>>().ok_or_else(wrong)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_a_list_of_names_or_of_shares() {
        let classes = |text: &str| text.parse::<Classes>().unwrap();
        assert_eq!(classes("high, medium,low"), Classes::default());
        assert_eq!(classes("a=2, b=1"), Classes::by_shares([("a", 2), ("b", 1)]).unwrap());
        let errors: Vec<_> = ["", "a,,b", "a,a", "a=1,b", "a=x", "a=0", "a=1,a=2"]
            .map(|text| text.parse::<Classes>().unwrap_err().to_string())
            .into();
        insta::assert_snapshot!(errors.join("\n"));
    }
}
