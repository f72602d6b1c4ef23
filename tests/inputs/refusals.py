"""What is said of each damage that a case must be refused for: file, found, expected, remedy, as patterns."""

_T1 = "sub-01_t1.nii.gz"
_SEG = "sub-01_seg.nii.gz"
_NIFTI = r"a NIfTI file \(\.nii or \.nii\.gz\)"
_WHOLE = "a complete NIfTI file"
_AGAIN = "Copy or download it again"
_CONVERT = "Convert the original scan again"

REFUSALS = {
    "empty_file": (_T1, "the file is empty", _NIFTI, _AGAIN),
    "truncated_gz": (_T1, "its compressed data is broken .*ended before", _WHOLE, _AGAIN),
    "flipped_byte": (_T1, "its compressed data is broken .*CRC check failed", _WHOLE, _AGAIN),
    "wrong_crc": (_T1, "its compressed data is broken .*CRC check failed", _WHOLE, _AGAIN),
    "truncated_nii": ("sub-01_t1.nii", "it ends after 4,092 of 4,192 bytes", _WHOLE, _AGAIN),
    "dicom_file": (_T1, "it is a DICOM file", _NIFTI, "Convert the series with dcm2niix"),
    "lfs_pointer": (_T1, "it is a Git LFS pointer", _NIFTI, "git lfs pull"),
    "html_page": (_T1, "it is a web page", _NIFTI, "The download failed, perhaps for want of a login"),
    "header_bomb": (
        _T1,
        r"its header declares 35,181,150,961,663 voxels \(32767 x 32767 x 32767\)",
        "at most 134,217,728",
        "check where the file comes from",
    ),
    "gzip_bomb": (
        _T1,
        "it goes on for more than 1,048,576 bytes after its voxels",
        "a file that ends with its voxels",
        "Check where the file comes from",
    ),
    "two_d": (_T1, r"it is 2D \(shape 12 x 10\)", "one 3D volume", "Give the whole 3D scan"),
    "four_d": (_T1, r"it is 4D and holds 2 volumes \(shape 12 x 10 x 8 x 2\)", "one 3D volume", "Split it"),
    "five_d": (_T1, r"it is 5D \(shape 12 x 10 x 8 x 1 x 3\)", "one 3D volume", "Give the whole 3D scan"),
    "size_zero": (_T1, r"it holds no voxels \(shape 0 x 10 x 8\)", "at least one voxel", "Export the scan again"),
    "colour": (_T1, r"its voxels are colour \(RGB\) values", "one real number per voxel", "magnitude image"),
    "complex_values": (_T1, "its voxels are complex values", "one real number per voxel", "magnitude image"),
    "intercept_of_nan": (_T1, "cannot be understood .*invalid intercept", "a valid NIfTI header", _CONVERT),
    "zero_affine": (_T1, "a voxel spacing of 0 x 0 x 0 mm", "0.05 to 20 mm", "counts in millimetres"),
    "affine_of_nan": (_T1, "its affine holds NaN or infinity", "a finite affine", _CONVERT),
    "no_orientation": (_T1, "codes are both 0, so left and right are not known", "an orientation", "set the sform"),
    "two_orientations": (
        _T1,
        r"its sform and qform place a voxel 11 mm apart \(the sform, which is used first, says RAS\)",
        "one position for each voxel",
        "set the code of the other one to 0",
    ),
    "shifted_origin": (
        _T1,
        r"its voxels lie up to 5 mm from those of sub-01_flair\.nii\.gz",
        "the same affine within 0.001 mm",
        "Co-register the modalities",
    ),
    "other_shape": (
        _T1,
        r"its shape is \(12, 10, 9\)",
        r"\(12, 10, 8\) as in sub-01_flair\.nii\.gz",
        "resample them to one grid",
    ),
    "modality_missing": (
        "",
        r"no file for t2; the folder holds sub-01_flair\.nii\.gz, .*sub-01_t1\.nii\.gz",
        "names that end in _t2 or _t2w for t2",
        "Rename the files",
    ),
    "modality_twice": (
        "",
        r"sub-01_flair\.nii\.gz and sub-01_t2f\.nii\.gz are both flair",
        "one file",
        "Keep the one you mean",
    ),
    "same_scan_twice": (
        "sub-01_t1ce.nii.gz",
        r"its voxels are those of t1 \(sub-01_t1\.nii\.gz\)",
        "another scan",
        "copied under two names",
    ),
    "one_nan": (
        _T1,
        r"1 voxel is NaN or infinite, the first at index \(1, 2, 3\)",
        "finite intensities",
        "Find the processing step",
    ),
    "all_zero": (_T1, "every voxel is 0", "an MRI volume with contrast", "Check that the export was complete"),
    "labels_of_two_schemes": (_SEG, "labels 3 and 4 both occur", "not both", "Map the file to one of the two schemes"),
    "unknown_label": (
        _SEG,
        r"unknown labels 7 \(1 voxel\)",
        r"labels out of \{0, 1, 2, 4\} or \{0, 1, 2, 3\}",
        "Map the file to the BraTS labels",
    ),
    "interpolated_labels": (
        _SEG,
        r"1 voxel lies between labels \(the first is 2\.5\)",
        "whole numbers",
        "Resample segmentations with nearest neighbour",
    ),
    "labels_on_another_grid": (
        _SEG,
        r"its voxels lie up to 7 mm from those of sub-01_flair\.nii\.gz",
        "the same affine",
        "resample them to one grid",
    ),
}
