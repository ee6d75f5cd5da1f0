# SPDX-FileCopyrightText: 2026 The Diptych authors
# SPDX-License-Identifier: Apache-2.0
# Debian's OpenCVConfig.cmake comes with every module and GDAL behind them; core and imgproc alone need neither.
find_path(DIPTYCH_OPENCV_INCLUDE opencv2/imgproc.hpp PATH_SUFFIXES opencv4 REQUIRED)
foreach(module core imgproc)
    find_library(DIPTYCH_OPENCV_${module} opencv_${module} REQUIRED)
    add_library(opencv_${module} UNKNOWN IMPORTED GLOBAL)
    set_target_properties(opencv_${module} PROPERTIES
        IMPORTED_LOCATION ${DIPTYCH_OPENCV_${module}}
        INTERFACE_INCLUDE_DIRECTORIES ${DIPTYCH_OPENCV_INCLUDE})
endforeach()
