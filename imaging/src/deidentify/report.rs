//! What became of an object, element by element.

use std::collections::BTreeMap;

/// Most pairs of values that are kept for one line of a report.
const MAX_VALUES: usize = 64;

/// What was done to an element.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Effect {
    /// It is gone, with everything below it.
    Removed,
    /// It is there, without a value.
    Emptied,
    /// It has a dummy instead of its value.
    Replaced,
    /// Its UID has a counterpart that is the same in all objects.
    Mapped,
    /// Its date moved.
    Shifted,
    /// Words that are not known were taken out of its text.
    Cleaned,
    /// It stayed because of an option; the basic profile would not have kept it.
    Kept,
    /// It was not there before.
    Added,
}

impl Effect {
    /// The word for reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Removed => "removed",
            Self::Emptied => "emptied",
            Self::Replaced => "replaced",
            Self::Mapped => "mapped",
            Self::Shifted => "shifted",
            Self::Cleaned => "cleaned",
            Self::Kept => "kept",
            Self::Added => "added",
        }
    }
}

/// One line of a report: an element, at all its places in sequences alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Keywords from the outside in, tags where there is none: `PlanePositionSequence[].ImagePositionPatient`.
    pub path: String,
    /// Group in the upper, element in the lower 16 bits.
    pub tag: u32,
    /// Keyword of the standard.
    pub keyword: Option<&'static str>,
    /// What was done.
    pub effect: Effect,
    /// How often, over all items of the sequences around it.
    pub count: usize,
    /// Old and new values, if they were asked for; the first few of them.
    pub values: Vec<(String, String)>,
}

/// Something that a person has to look at before the copy is given away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Warning {
    /// The object says that text is burned into its pixels.
    BurnedIn,
    /// The object does not say whether text is burned in, and its kind often has some.
    MayBeBurnedIn,
    /// The object says that faces can be recognized.
    RecognizableFeatures,
    /// An overlay lies in bits of the pixel data, which stays as it is.
    OverlayInPixels,
    /// A video may have a sound track.
    Video,
    /// Descriptions were cleaned by rule.
    CleanedText,
}

impl Warning {
    /// A sentence for people.
    pub fn text(self) -> &'static str {
        match self {
            Self::BurnedIn => "text is burned into the pixels, says the file; it is still there",
            Self::MayBeBurnedIn => {
                "the file does not say whether text is burned into the pixels; pictures of this kind often have some"
            }
            Self::RecognizableFeatures => "a face can be recognized, says the file; it is still there",
            Self::OverlayInPixels => "an overlay lies in unused bits of the pixels; it is still there",
            Self::Video => "the video may have a sound track; it is still there",
            Self::CleanedText => "descriptions were cleaned by rule; read them before you pass them on",
        }
    }
}

/// What became of one object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Lines in the order of paths.
    pub changes: Vec<Change>,
    /// Elements that stayed as they were and are of no interest to the profile.
    pub untouched: usize,
    /// What a person has to look at.
    pub warnings: Vec<Warning>,
}

/// How often, and the first old and new values.
type Seen = (usize, Vec<(String, String)>);

/// Collects a report.
#[derive(Debug)]
pub(crate) struct Recorder {
    changes: BTreeMap<(String, u32, Effect), Seen>,
    untouched: usize,
    warnings: std::collections::BTreeSet<Warning>,
    keeps_values: bool,
}

impl Recorder {
    pub(super) fn new(keeps_values: bool) -> Self {
        Self { changes: BTreeMap::new(), untouched: 0, warnings: Default::default(), keeps_values }
    }

    pub(crate) fn keeps_values(&self) -> bool {
        self.keeps_values
    }

    pub(crate) fn untouched(&mut self) {
        self.untouched += 1;
    }

    pub(crate) fn warn(&mut self, warning: Warning) {
        self.warnings.insert(warning);
    }

    /// `values` are old and new; dropped unless asked for.
    pub(crate) fn change(
        &mut self,
        path: String,
        tag: u32,
        effect: Effect,
        values: Option<(String, String)>,
    ) {
        let (count, kept) = self.changes.entry((path, tag, effect)).or_default();
        *count += 1;
        if self.keeps_values && kept.len() < MAX_VALUES {
            kept.extend(values);
        }
    }

    pub(crate) fn finish(self, keyword: impl Fn(u32) -> Option<&'static str>) -> Report {
        let changes = self.changes.into_iter().map(|((path, tag, effect), (count, values))| Change {
            keyword: keyword(tag),
            path,
            tag,
            effect,
            count,
            values,
        });
        Report {
            changes: changes.collect(),
            untouched: self.untouched,
            warnings: self.warnings.into_iter().collect(),
        }
    }
}
