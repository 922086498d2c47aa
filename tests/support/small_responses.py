"""The images that the small subject of the tests of responses saw."""

SHOWN = {
    "ses-01": "ABCADBAE",
    "ses-02": "BFBAGC",
    "ses-10": "HHA",
}
NAMES = {
    "A": "shared_12rep_LAION_cluster_1003_i0.jpg",
    "B": "shared_4rep_NSD_special1000_841.jpg",
    "C": "unique_THINGS+_whisk_p01.jpg",
    "D": "unique_LAION_initial_cluster_2817_i38_p01.jpg",
    "E": "shared_4rep_OOD_gaudy_lamp.png",
    "F": "unique_LAION_new_1_p01.jpg",
    "G": "unique_LAION_new_2_p01.jpg",
    "H": "of_my_own.png",
}
