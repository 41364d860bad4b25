//! Writes a series as one volume: MetaImage, NIfTI, or both.

use clap::{Args, ValueEnum};

use crate::input::{InputOptions, InputVolume};
use crate::modality::ModalityValues;
use crate::operator::{Context, Operator};
use crate::{OperatorError, metaimage, nifti, output};

/// Which files are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Format {
    /// `volume.mha`
    #[default]
    Mha,
    /// `volume.nii.gz`
    Nifti,
    /// `volume.mha` and `volume.nii.gz`
    Both,
}

/// Parameters of the operator.
#[derive(Debug, Clone, Default, Args)]
#[group(skip)]
#[expect(missing_docs, reason = "documented at its type")]
pub struct SeriesWriter {
    #[command(flatten)]
    pub input: InputOptions,
    /// Files to write
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
    /// Compress the voxels of `volume.mha` with zlib
    #[arg(long)]
    pub compress: bool,
}

impl Operator for SeriesWriter {
    fn run(&self, context: &Context<'_>) -> Result<(), OperatorError> {
        let input = InputVolume::read(context, &self.input)?;
        let values = ModalityValues::new(&input, [0; 3], input.dims().to_array(), context.listener)?;
        let (geometry, number_type) = (input.geometry(), values.number_type());
        // Refused before anything is written.
        let nifti = match self.format {
            Format::Mha => None,
            Format::Nifti | Format::Both => Some(nifti::Header::new(geometry, number_type)?),
        };
        if self.format != Format::Nifti {
            let header = metaimage::Header { geometry, number_type, is_compressed: self.compress };
            output::write_file(&context.output, "volume.mha", |out| {
                metaimage::write(header, |out| values.write_to(out), out)
            })?;
            context.listener.progress("wrote volume.mha");
        }
        if let Some(header) = nifti {
            if !header.has_qform() {
                let text = "the axes are not perpendicular: volume.nii.gz has its place in the sform only";
                context.listener.warning(text);
            }
            output::write_file(&context.output, "volume.nii.gz", |out| {
                nifti::write(&header, |out| values.write_to(out), out)
            })?;
            context.listener.progress("wrote volume.nii.gz");
        }
        Ok(())
    }
}
