//! Words that may stay in descriptions: of procedures, anatomy, acquisition and reconstruction. None is chosen that
//! is common as a name, and those that might be one are checked against the names of the object.

/// In lower case and in order, for searching.
#[rustfmt::skip]
pub(super) const WORDS: &[&str] = &[
    "2d", "3d", "4d", "abdomen", "abdominal", "ac", "acq", "acquisition", "adc", "adrenal", "adrenals",
    "all", "and", "angio", "angiogram", "angiography", "ankle", "anterior", "aorta", "aortic", "ap", "arm",
    "arms", "arterial", "arteries", "artery", "asl", "at", "attenuation", "average", "avg", "ax", "axial",
    "axilla", "b0", "b100", "b1000", "b1500", "b2000", "b400", "b50", "b500", "b600", "b800", "baseline",
    "beam", "bilateral", "biliary", "bladder", "blood", "body", "bold", "bolus", "bone", "bones", "both",
    "bowel", "brain", "breast", "breasts", "breath", "breathhold", "breathing", "bright", "bssfp", "by",
    "calcaneus", "calibration", "capture", "cardiac", "carotid", "carotids", "cbct", "cc", "cervical",
    "chest", "cine", "circle", "ciss", "clavicle", "coccyx", "colon", "color", "colour", "contrast",
    "contrasted", "control", "cor", "cord", "coronal", "coronaries", "coronary", "corrected", "correction",
    "cr", "csi", "ct", "cta", "ctac", "ctpa", "ctv", "cube", "curved", "dark", "dce", "dect", "decubitus",
    "delay", "delayed", "dental", "derived", "detail", "difference", "diffusion", "digital", "disc",
    "discs", "distal", "dixon", "dose", "dotatate", "dotatoc", "dsc", "dti", "dwi", "dx", "dynamic", "ear",
    "early", "ecg", "echo", "edge", "ekg", "elbow", "emission", "enhanced", "epi", "erect", "esophagus",
    "exp", "expiration", "exponential", "extension", "extremities", "extremity", "eye", "eyes", "f18",
    "face", "facial", "fast", "fat", "fatsat", "fatsuppressed", "fdg", "feet", "femoral", "femur", "fgre",
    "fibula", "fieldmap", "fiesta", "filter", "filtered", "finger", "fingers", "first", "flair", "flash",
    "flexion", "fluoro", "fluoroscopy", "fmri", "follow", "followup", "foot", "for", "forearm", "free",
    "from", "fs", "fse", "ga68", "gad", "gadolinium", "gallbladder", "gated", "gating", "gradient", "gre",
    "grid", "gtv", "hand", "haste", "head", "heart", "hepatic", "high", "hip", "hold", "hrct", "humerus",
    "i123", "i131", "iac", "iliac", "image", "images", "imaginary", "in", "inferior", "inject",
    "injection", "inphase", "insp", "inspiration", "intravenous", "inversion", "iodine", "iso",
    "isotropic", "jaw", "joint", "joints", "kernel", "kidney", "kidneys", "km", "knee", "larynx", "lat",
    "late", "lateral", "lava", "left", "leg", "legs", "lens", "limb", "limbs", "liver", "lm", "localiser",
    "localizer", "low", "lowdose", "lower", "lt", "lu177", "lumbar", "lung", "lungs", "lungwindow",
    "lying", "magnification", "magnitude", "mammo", "mammogram", "mammography", "mandible", "map",
    "mapping", "maps", "mastoid", "maxilla", "mean", "medial", "mediastinal", "mediastinum", "mesenteric",
    "mg", "minip", "mip", "ml", "mlo", "monitoring", "motion", "mpr", "mprage", "mr", "mra", "mrcp", "mri",
    "mrv", "multiphase", "muscle", "nac", "native", "navigation", "navigator", "neck", "nerve",
    "nerves", "neutral", "nm", "no", "noncontrast", "none", "normal", "not", "oar", "obl", "oblique",
    "oesophagus", "of", "on", "one", "only", "opposed", "or", "oral", "orbit", "orbits", "original",
    "other", "out", "outphase", "ovaries", "ovary", "overlay", "pa", "pancreas", "parotid", "patella",
    "pc", "pd", "pdw", "pelvic", "pelvis", "perfusion", "pet", "phantom", "pharynx", "phase",
    "phasecontrast", "phases", "pituitary", "plain", "plan", "planning", "plexus", "popliteal", "portal",
    "post", "posterior", "pre", "premonitoring", "primary", "processed", "projection", "prone", "prostate",
    "protocol", "proximal", "psma", "pt", "ptv", "pulmonary", "qct", "radiograph", "radius", "real",
    "recon", "reconstruction", "recovery", "rectal", "rectum", "ref", "reference", "reformat",
    "reformatted", "relaxometry", "renal", "res", "resolution", "respiratory", "rest", "restaging",
    "resting", "result", "results", "rib", "ribs", "right", "routine", "rt", "rtstruct", "sacral",
    "sacrum", "sag", "sagittal", "saturation", "scan", "scanogram", "scapula", "scout", "screening",
    "screenshot", "se", "second", "secondary", "segmentation", "sella", "series", "set", "sharp",
    "shoulder", "sinus", "sinuses", "sitting", "skeletal", "skeleton", "skull", "slab", "slice", "slices",
    "smooth", "soft", "space", "spect", "spectroscopy", "spgr", "spin", "spinal", "spine", "spleen",
    "spot", "ssd", "ssfse", "staging", "standard", "standing", "static", "std", "stealth", "stereotactic",
    "sternum", "stir", "stomach", "structure", "study", "sub", "subclavian", "subtraction", "summary",
    "superior", "supine", "suppressed", "survey", "surview", "suv", "svs", "swan", "swi", "t1", "t1w",
    "t2", "t2w", "task", "tc99m", "teeth", "temporal", "test", "the", "thick", "thigh", "thin", "third",
    "thoracic", "thorax", "three", "thrive", "thumb", "thyroid", "tibia", "timing", "tirm", "tissue", "to",
    "toe", "toes", "tof", "tomo", "tomographic", "tomosynthesis", "tongue", "topogram", "torso", "tra",
    "trace", "tracking", "trans", "transmission", "transversal", "transverse", "triggered", "trufi",
    "trunk", "tse", "turbo", "two", "ulna", "ultra", "uncorrected", "unenhanced", "unknown", "up", "upper",
    "upright", "uptake", "urinary", "us", "uterus", "valsalva", "vascular", "vein", "veins", "venography",
    "venous", "vertebra", "vertebral", "vessel", "vessels", "vibe", "view", "views", "vista", "volume",
    "vr", "vrt", "w", "water", "wb", "wholebody", "willis", "window", "windowed", "with", "without", "wo",
    "wrist", "xccl", "xr",
];

/// Units behind which a number may stay.
pub(super) const UNITS: &[&str] = &[
    "mm", "cm", "m", "ms", "s", "sec", "secs", "min", "kv", "kvp", "ma", "mas", "hu", "hz", "t", "tesla",
    "mt", "%", "deg", "gy", "cgy", "mgy", "kev", "mev", "mbq", "ml", "l", "mg", "kg",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_in_order_so_that_each_is_found() {
        assert!(WORDS.is_sorted_by(|a, b| a < b));
        assert!(WORDS.iter().all(|word| word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())));
    }
}
