#pragma once
// Alnilam, as a program includes it: everything of the public API in one header.
//
//   std::vector<float> load(const std::string& path);
//   ALNILAM_TASK(load);
//
//   int main(int argc, char** argv) {
//     alnilam::Cluster cluster = alnilam::connect(argc, argv);  // first line of main
//     auto data = cluster.submit({.cpus = 1, .memory = 256_MiB}, load, "a.bin");
//     std::vector<float> values = cluster.get(data);
//   }
//
// The program runs on the embedded engine, or against a cluster if ALNILAM_HEAD names one; nothing
// in it changes.

#include "core/api/cluster.h"
#include "core/api/encode.h"
#include "core/api/errors.h"
#include "core/api/options.h"
#include "core/api/ref.h"
#include "core/api/task.h"
#include "core/api/variants.h"
#include "core/api/view.h"
#include "daemons/program/connect.h"
#include "gpu/device/array.h"
#include "gpu/device/context.h"
#include "gpu/device/dlpack.h"
#include "gpu/device/kernel.h"
#include "gpu/device/task_codecs.h"
