#pragma once
// What others reached on the lists of the trace `openb`: the figures to stand beside ours.
//
// Source: the trace's README: the publication's own seeds 42 to 51 (mean of 10), and an independent
// replay of the arrivals of seeds 52 to 61.

#include <array>
#include <string_view>

namespace alnilam::sim {

struct PublishedFigure {
  std::string_view list, policy;
  double published100, published130;  // seeds 42-51
  double replayed100, replayed130;    // seeds 52-61
};

inline constexpr std::array<std::string_view, 4> kLists = {"default", "cpu250", "gpushare100",
                                                            "gpuspec33"};

inline constexpr std::array<PublishedFigure, 24> kPublished = {{
    {"default", "random", 86.30, 87.47, 86.54, 87.69},
    {"default", "dotprod", 90.62, 90.85, 90.78, 90.99},
    {"default", "clustering", 91.65, 91.88, 91.93, 92.14},
    {"default", "packing", 91.78, 92.00, 91.94, 92.15},
    {"default", "bestfit", 92.86, 93.08, 92.94, 93.14},
    {"default", "fgd", 95.23, 95.39, 95.26, 95.42},
    {"cpu250", "random", 80.00, 80.42, 79.99, 80.39},
    {"cpu250", "dotprod", 83.57, 83.81, 83.99, 84.26},
    {"cpu250", "clustering", 87.75, 87.99, 87.48, 87.75},
    {"cpu250", "packing", 88.05, 88.28, 87.86, 88.12},
    {"cpu250", "bestfit", 91.21, 91.45, 91.38, 91.63},
    {"cpu250", "fgd", 93.20, 93.41, 93.06, 93.31},
    {"gpushare100", "random", 78.90, 79.44, 78.94, 79.51},
    {"gpushare100", "dotprod", 81.98, 82.42, 81.98, 82.41},
    {"gpushare100", "clustering", 82.22, 82.65, 82.20, 82.59},
    {"gpushare100", "packing", 82.13, 82.57, 82.12, 82.53},
    {"gpushare100", "bestfit", 84.62, 85.01, 84.62, 85.01},
    {"gpushare100", "fgd", 86.64, 86.90, 86.60, 86.84},
    {"gpuspec33", "random", 83.87, 86.46, 84.00, 86.49},
    {"gpuspec33", "dotprod", 79.82, 89.14, 79.90, 89.04},
    {"gpuspec33", "clustering", 81.09, 92.12, 81.10, 92.44},
    {"gpuspec33", "packing", 82.22, 93.22, 82.20, 93.47},
    {"gpuspec33", "bestfit", 80.39, 93.09, 80.35, 93.02},
    {"gpuspec33", "fgd", 87.84, 94.55, 87.71, 94.59},
}};

}  // namespace alnilam::sim
