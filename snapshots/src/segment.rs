//! A keyframe and the ticks up to the next.

use std::borrow::Cow;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::OnceLock;

use ecs_state::Keyframe;

use crate::Step;
use crate::chunk::Packed;
use crate::steps::{CheckedSteps, ReadSteps};

/// A keyframe and the steps up to the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// Where it begins.
    pub keyframe: Keyframe,
    /// The ticks after it.
    pub steps: Steps,
}

/// The ticks of a segment. Those of a file were looked at when it was opened; they are made of its bytes when somebody
/// wants to see them, and are kept from then on. A long match is millions of small values, of which most readers want few.
#[derive(Clone, Default)]
pub struct Steps {
    /// What they are made of; `None` once they may be others than in the file.
    packed: Option<Packed>,
    /// As the bytes have it; what was made counts.
    count: usize,
    made: OnceLock<Vec<Step>>,
}

impl Steps {
    /// Looks at the ticks of a chunk, so that they can be made later. `room` is memory to do so in.
    ///
    /// # Errors
    /// With the reason, when they are not whole.
    pub(crate) fn look(packed: Packed, room: &mut Vec<u8>) -> Result<Self, String> {
        packed.unpack(room)?;
        let count = packed.value::<CheckedSteps<'_>>(room)?.count()?;
        Ok(Self { packed: Some(packed), count, made: OnceLock::new() })
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.made.get().map_or(self.count, Vec::len)
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// For who goes over them once: they are not kept.
    #[must_use]
    pub fn passing(&self) -> Cow<'_, [Step]> {
        match self.made.get() {
            Some(made) => Cow::Borrowed(made),
            None => Cow::Owned(make(self.packed.as_ref())),
        }
    }
}

impl Deref for Steps {
    type Target = Vec<Step>;

    fn deref(&self) -> &Vec<Step> {
        self.made.get_or_init(|| make(self.packed.as_ref()))
    }
}

impl DerefMut for Steps {
    fn deref_mut(&mut self) -> &mut Vec<Step> {
        self.made.get_or_init(|| make(self.packed.as_ref()));
        self.packed = None;
        self.made.get_mut().expect("they were made")
    }
}

impl From<Vec<Step>> for Steps {
    fn from(steps: Vec<Step>) -> Self {
        Self { packed: None, count: steps.len(), made: OnceLock::from(steps) }
    }
}

impl IntoIterator for Steps {
    type Item = Step;
    type IntoIter = std::vec::IntoIter<Step>;

    fn into_iter(mut self) -> Self::IntoIter {
        std::mem::take(&mut *self).into_iter()
    }
}

impl<'a> IntoIterator for &'a Steps {
    type Item = &'a Step;
    type IntoIter = std::slice::Iter<'a, Step>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<'a> IntoIterator for &'a mut Steps {
    type Item = &'a mut Step;
    type IntoIter = std::slice::IterMut<'a, Step>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter_mut()
    }
}

impl PartialEq for Steps {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && **self == **other
    }
}

impl Eq for Steps {}

impl fmt::Debug for Steps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self).finish()
    }
}

fn make(packed: Option<&Packed>) -> Vec<Step> {
    let Some(packed) = packed else { return Vec::new() };
    let mut room = Vec::new();
    let read = packed.unpack(&mut room).and_then(|()| packed.value::<ReadSteps<'_>>(&room)?.unpack());
    read.expect("the ticks of a file were looked at when it was opened")
}
