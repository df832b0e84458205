#pragma once
// A whole life of a head brain as text, for tests: what happened, and what the brain said to it.
//
// A script's lines are inputs ("> ...") followed by the outputs that they must cause; `play` runs
// the inputs and returns the same text with the outputs that there were, so that a test is one
// comparison and nothing that was said goes unseen.  After each input the brain places, unless the
// line ends in "...".
//
//   > open NAME weight=200 quota=cpu=2,gpu=1  > close 1
//   > node n1/1 cpu=2 gpu=1x4GiB memory=8GiB license=2       (gpu=1x4GiB,H100: of that model)
//   > class 1 f cpu=1 gpu=0.5 gpu.memory=1GiB priority=5 retries=0 retryExceptions
//   > class 1 f cpu=1 delay=500 deadline=2000 preemptible         (milliseconds)
//   > node n1/1 cpu=2 label=zone=a           > class 1 f cpu=1 rule=zone!=a by=pack apart=KEY
//   > class 1 f as=cpu:g:cpu=1 as=cuda:h:gpu=0.5,gpu.memory=1GiB      (its variants)
//   > submit 1 1:f 2:f(1,3) 4:#9              a task: index, class by name or number, inputs
//   > put 1.5=text  /  put 1.5@1,2:100KiB     held / stored on nodes 1 and 2
//   > want 1 1 2    > release 1 1   > cancel 1 1
//   > heard 1/1 1.1#1=text 1.2#1@100KiB 1.3#1!crashed 1.1#1=x~10us +1.4:100KiB -1.4
//   > heard 1/1 1.2#1!objectLost:1.1        (the failure names the object)
//   > heard 1/1 1.1#1=text&0                (by a task on gpu 0)
//   > heard 1/1 1.1#1=x~10us^1 $f.1/20:10us*1/3  (variant 1 ran; it learned: that variant of class
//     f with inputs of size class 20 takes 10 us, by one more run, the third)   rate=100MiB
//   > heard 1/1 1.3#1<                      (given back unbegun)
//   > heard 1/1 out=1,3 1.3#1!device/1      (gpus 1 and 3 are out of service; the failure was gpu
//     1's: its context was lost; with //1, gpu 1 itself was)    out=  (all are in service)
//   > restore 1
//   > left 1/1 WHY  > at 5 (seconds)  > tick  > explain 1.1
//
// Job and task ids are shown without the cell.

#include "core/head/head_brain.h"

#include <map>
#include <string>
#include <vector>

namespace alnilam::head {

class HeadScript {
 public:
  explicit HeadScript(HeadBrain::Config config = {}) : brain_(config) {}

  // Runs the inputs of `script` and returns it with what the brain really said.
  std::string play(const std::string& script);

  HeadBrain& brain() { return brain_; }

 private:
  void run(const std::string& line, std::string& text);
  Input read(const std::string& verb, const std::vector<std::string>& words, std::string& text);
  JobOpened readJob(const std::vector<std::string>& words);
  Submit readTasks(const std::vector<std::string>& words);
  Submit readClass(const std::vector<std::string>& words);
  CostReport readCost(const std::string& word);
  NodeJoined readNode(const std::vector<std::string>& words);
  NodeHeard readReport(const std::vector<std::string>& words);
  void show(const std::vector<Output>& out, std::string& text) const;

  HeadBrain brain_;
  Instant now_{};
  std::uint64_t sessions_ = 0;
  std::map<JobId, std::vector<std::string>> classes_;
};

}  // namespace alnilam::head
