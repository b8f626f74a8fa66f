//! Fetching whole segments: named, authenticated, a few ahead, in buffers that are used again.

use core::ops::{Deref, Range};
use std::sync::Arc;

use bytes::Bytes;
use custodia_core::digest::Blake3Digest;
use custodia_core::exhibit::AwsLcCipher;
use custodia_core::exhibit::segment::{Segment, SegmentIndex};
use custodia_core::ids::{CaseId, ExhibitId};
use futures::StreamExt as _;

use super::OpenedExhibit;
use crate::buffers::{Buffers, Lent};
use crate::error::AgentError;
use crate::http::Http;
use crate::log_view::Misbehaviour;
use crate::seal::object_path;

/// Segments that are fetched ahead.
const AHEAD: usize = 3;

/// Fetches a whole object. Other bytes than those named are the server's fault, which compares them before they leave.
pub(super) async fn named_object(http: &Http, case: CaseId, exhibit: ExhibitId, name: Blake3Digest) -> Result<Bytes, AgentError> {
    let path = object_path(case, exhibit, name);
    let object = http.object(&path).await?;
    let found = Blake3Digest::of(&object);
    if found == name { Ok(object) } else { Err(other_bytes(http, path, object.len(), found).await) }
}

/// Keeps the proof that a server gave other bytes than those that were asked for.
async fn other_bytes(http: &Http, path: String, length: usize, found: Blake3Digest) -> AgentError {
    let finding = "the server gave other bytes than those of the object that was asked for";
    let other = Misbehaviour { finding, held: path, shown: format!("{length} bytes whose name is {found}") };
    http.keep_evidence(&other).await;
    other.into()
}

/// The wanted part of a segment's content, authenticated, in a buffer that is used again.
pub(super) struct Content {
    plain: Lent,
    wanted: Range<usize>,
}

impl Deref for Content {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.plain[self.wanted.clone()]
    }
}

impl OpenedExhibit {
    /// Fetches and opens whole segments, a few ahead, and gives the wanted part of each in order.
    pub(super) fn fetch(
        &self,
        wanted: Vec<(SegmentIndex, Range<u64>)>,
    ) -> impl futures::Stream<Item = Result<Content, AgentError>> + Send + '_ {
        let (objects, plains) = (Buffers::default(), Buffers::default());
        futures::stream::iter(wanted)
            .map(move |(index, within)| self.fetch_one(index, within, objects.take(), plains.take()))
            .buffered(AHEAD)
    }

    async fn fetch_one(&self, index: SegmentIndex, within: Range<u64>, mut object: Lent, mut plain: Lent) -> Result<Content, AgentError> {
        let name = self.object(index)?;
        let path = object_path(self.case, self.exhibit, name);
        self.http.object_into(&path, &mut object).await?;
        let (key, plan, exhibit) = (Arc::clone(&self.key), self.plan, self.exhibit);
        let opening = tokio::task::spawn_blocking(move || {
            let segment = Segment::new(exhibit, &plan, index);
            let opened = segment.and_then(|segment| segment.open::<AwsLcCipher>(&key, &name, &object, &mut plain).map(drop));
            opened.map(|()| plain).map_err(|error| (error, Blake3Digest::of(&object), object.len()))
        });
        match opening.await.map_err(|_| AgentError::Bug)? {
            Ok(plain) => {
                let at = |offset: u64| usize::try_from(offset).expect("a segment has at most 8 MiB");
                Ok(Content { plain, wanted: at(within.start)..at(within.end) })
            }
            // Whatever else is wrong with them: they are not the bytes that were named.
            Err((_, found, length)) if found != name => Err(other_bytes(&self.http, path, length, found).await),
            Err((error, ..)) => Err(error.into()),
        }
    }
}
