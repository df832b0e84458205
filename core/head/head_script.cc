#include "core/head/head_script.h"

#include <cmath>
#include <cstdlib>
#include <sstream>

namespace alnilam::head {
namespace {

constexpr std::uint32_t kCell = 1u << 24;

JobId jobOf(const std::string& text) {
  return {kCell | static_cast<std::uint32_t>(std::strtoul(text.c_str(), nullptr, 10))};
}

// "1.5", or "5" in `job`.
ObjectId idOf(const std::string& text, JobId job) {
  auto dot = text.find('.');
  auto index = text.substr(dot == std::string::npos ? 0 : dot + 1);
  if (dot != std::string::npos) job = jobOf(text.substr(0, dot));
  return ObjectId::make(job, static_cast<std::uint32_t>(std::strtoul(index.c_str(), nullptr, 10)));
}

std::string shown(JobId job) { return std::to_string(job.value & 0xffffff); }
std::string shown(ObjectId id) { return shown(id.job()) + "." + std::to_string(id.index()); }

std::vector<std::string> split(const std::string& text, char at) {
  std::vector<std::string> parts;
  std::istringstream in(text);
  for (std::string part; std::getline(in, part, at);) {
    if (!part.empty()) parts.push_back(part);
  }
  return parts;
}

Bytes bytesOf(const std::string& text) { return parseBytes(text).value(); }
Amount amountOf(const std::string& text) { return Amount::from(std::stod(text), text).value(); }

Blob blobOf(const std::string& text) {
  return Blob::copyOf(std::as_bytes(std::span(text.data(), text.size())));
}
std::string textOf(const Blob& blob) {
  return {reinterpret_cast<const char*>(blob.bytes().data()), blob.size()};
}

const std::map<std::string, FailureKind> kKinds = {
    {"exception", FailureKind::exception},
    {"crashed", FailureKind::crashed},
    {"exited", FailureKind::exited},
    {"nodeLost", FailureKind::nodeLost},
    {"infeasible", FailureKind::infeasible},
    {"cancelled", FailureKind::cancelled},
    {"objectLost", FailureKind::objectLost},
    {"unknownFunction", FailureKind::unknownFunction},
    {"badArguments", FailureKind::badArguments},
    {"storeFull", FailureKind::storeFull},
    {"executorFailed", FailureKind::executorFailed},
    {"outOfDeviceMemory", FailureKind::outOfDeviceMemory},
    {"device", FailureKind::device},
    {"deadlinePassed", FailureKind::deadlinePassed},
};

std::string kindName(FailureKind kind) {
  for (const auto& [name, one] : kKinds) {
    if (one == kind) return name;
  }
  return "?";
}

std::string shown(const Value& value) {
  std::string text;
  switch (value.state) {
    case Value::State::held: return "=" + textOf(value.held);
    case Value::State::stored:
      for (NodeId node : value.holders) text += (text.empty() ? "@" : ",") +
                                                std::to_string(node.value);
      return text + ":" + showBytes(value.size);
    case Value::State::failed:
      text = "!" + kindName(value.failure->kind) + " in " + shown(value.failure->task) + "#" +
             std::to_string(value.failure->attempt.value);
      if (!value.failure->function.empty()) text += " " + value.failure->function;
      if (!value.failure->node.empty()) text += " on " + value.failure->node;
      for (const std::string& function : value.failure->chain) text += " > " + function;
      return text + "\n  " + value.failure->message;
    default: return "?";
  }
}

std::string shown(const NodeOrders& orders) {
  std::string text;
  std::size_t column = 10;
  auto say = [&](const std::string& words) {
    bool isLong = column + words.size() > 90;
    if (!text.empty()) text += isLong ? ";\n  " : "; ";
    column = (isLong ? 2 : column + 2) + words.size();
    text += words;
  };
  for (const JobNotice& job : orders.jobs) say("job " + shown(job.job));
  for (const ClassNotice& one : orders.classes) {
    say("class " + shown(one.job) + "/" + std::to_string(one.index) + " " +
        one.definition.function);
  }
  for (const Assignment& one : orders.assign) {
    std::string inputs;
    for (const auto& [id, value] : one.inputs) {
      inputs += (inputs.empty() ? "" : " ") + shown(id) + shown(value);
    }
    say("run " + shown(one.id) + "#" + std::to_string(one.attempt.value) +
        (inputs.empty() ? "" : "(" + inputs + ")") +
        (one.variant == 0 ? "" : "^" + std::to_string(one.variant)) + (one.trial ? "?" : ""));
  }
  for (TaskId id : orders.cancel) say("cancel " + shown(id));
  for (TaskId id : orders.giveBack) say("give back " + shown(id));
  for (ObjectId id : orders.release) say("release " + shown(id));
  for (JobId job : orders.ended) say("ended " + shown(job));
  if (orders.restoreDevices) say("restore devices");
  return text;
}

// What brains say names ids with the cell; people who read scripts would rather not.
std::string withoutCell(std::string text) {
  for (std::uint32_t job = 1; job < 10; ++job) {
    const std::string from = std::to_string(kCell | job) + ".";
    for (auto at = text.find(from); at != std::string::npos; at = text.find(from)) {
      text.replace(at, from.size(), std::to_string(job) + ".");
    }
  }
  return text;
}

struct Show {
  std::string operator()(const JobReady& one) const {
    return "job " + shown(one.job) + " ready, session " + std::to_string(one.session);
  }
  std::string operator()(const JobRefused& one) const {
    return "session " + std::to_string(one.session) + " refused: " + one.refusal.why;
  }
  std::string operator()(const Told& one) const {
    std::string text = "told job " + shown(one.job);
    for (const auto& [id, value] : one.objects) text += "\n  " + shown(id) + shown(value);
    return text;
  }
  std::string operator()(const NodeAccepted& one) const {
    return "accepted " + one.name + " as node " + std::to_string(one.node.value) + "/" +
           std::to_string(one.incarnation.value);
  }
  std::string operator()(const NodeRefused& one) const {
    return "refused " + one.name + ": " + one.refusal.why;
  }
  std::string operator()(const NodeTold& one) const {
    return "node " + std::to_string(one.node.value) + ": " + shown(one.orders);
  }
  std::string operator()(const NodeFenced& one) const {
    return "fenced node " + std::to_string(one.node.value) + "/" +
           std::to_string(one.incarnation.value);
  }
  std::string operator()(const NodeGone& one) const {
    return "gone node " + std::to_string(one.node.value) + ": " + one.why;
  }
  std::string operator()(const NodeSetAside& one) const {
    return "node " + std::to_string(one.node.value) + " set aside for " +
           std::to_string(one.length / std::chrono::seconds(1)) + " s: " + one.why;
  }
};

}  // namespace

std::string HeadScript::play(const std::string& script) {
  std::string text;
  for (const std::string& line : split(script, '\n')) {
    auto begin = line.find_first_not_of(' ');
    if (begin == std::string::npos || line[begin] != '>') continue;
    run(line.substr(begin), text);
  }
  return text;
}

void HeadScript::run(const std::string& line, std::string& text) {
  text += line + "\n";
  std::vector<std::string> words = split(line, ' ');
  bool isHeldBack = words.back() == "...";
  if (isHeldBack) words.pop_back();
  std::string verb = words.at(1);
  words.erase(words.begin(), words.begin() + 2);
  std::vector<Output> out;
  if (verb == "at") now_ = std::chrono::milliseconds(std::lround(std::stod(words[0]) * 1000));
  else if (verb == "explain") text += withoutCell(brain_.explain(idOf(words[0], {}))) + "\n";
  else brain_.step(now_, read(verb, words, text), out);
  if (!isHeldBack) brain_.place(now_, out);
  show(out, text);
}

void HeadScript::show(const std::vector<Output>& out, std::string& text) const {
  for (const Output& one : out) text += withoutCell(std::visit(Show{}, one)) + "\n";
}

Input HeadScript::read(const std::string& verb, const std::vector<std::string>& words,
                       std::string& text) {
  auto ids = [&] {
    std::vector<ObjectId> found;
    for (std::size_t i = 1; i < words.size(); ++i) found.push_back(idOf(words[i], jobOf(words[0])));
    return found;
  };
  if (verb == "open") return readJob(words);
  if (verb == "close") return JobClosed{jobOf(words.at(0))};
  if (verb == "node") return readNode(words);
  if (verb == "class") return readClass(words);
  if (verb == "submit") return readTasks(words);
  if (verb == "want") return Want{jobOf(words.at(0)), ids()};
  if (verb == "release") return Release{jobOf(words.at(0)), ids()};
  if (verb == "cancel") return Cancel{jobOf(words.at(0)), ids()};
  if (verb == "heard") return readReport(words);
  if (verb == "restore") {
    return RestoreDevices{{static_cast<std::uint32_t>(std::stoul(words.at(0)))}};
  }
  if (verb == "put") {
    auto at = words.at(0).find_first_of("=@");
    Put put{idOf(words[0].substr(0, at), {}), {}};
    std::string rest = words[0].substr(at + 1);
    if (words[0][at] == '=') {
      put.value = Value::of(blobOf(rest));
    } else {
      std::vector<NodeId> holders;
      for (const std::string& one : split(rest.substr(0, rest.find(':')), ',')) {
        holders.push_back({static_cast<std::uint32_t>(std::stoul(one))});
      }
      put.value = Value::at(bytesOf(rest.substr(rest.find(':') + 1)), holders);
    }
    return put;
  }
  if (verb == "left") {
    auto parts = split(words.at(0), '/');
    return NodeLeft{{static_cast<std::uint32_t>(std::stoul(parts[0]))}, {std::stoull(parts[1])},
                    words.at(1)};
  }
  if (verb != "tick") text += "what is " + verb + "?\n";
  return Tick{};
}

JobOpened HeadScript::readJob(const std::vector<std::string>& words) {
  JobOpened opened{++sessions_, words.at(0), "", {}};
  for (std::size_t i = 1; i < words.size(); ++i) {
    auto at = words[i].find('=');
    std::string value = words[i].substr(at + 1);
    if (words[i].starts_with("weight=")) {
      opened.share.weight = static_cast<std::uint32_t>(std::stoul(value));
    } else {
      opened.share.quota = Quota::parse(value).value();
    }
  }
  return opened;
}

Submit HeadScript::readTasks(const std::vector<std::string>& words) {
  Submit submit;
  submit.job = jobOf(words.at(0));
  const std::vector<std::string>& known = classes_[submit.job];
  for (std::size_t i = 1; i < words.size(); ++i) {
    auto colon = words[i].find(':');
    auto paren = words[i].find('(');
    TaskSpec spec;
    spec.id = idOf(words[i].substr(0, colon), submit.job);
    std::string cls = words[i].substr(colon + 1, paren - colon - 1);
    if (cls[0] == '#') spec.taskClass = static_cast<ClassIndex>(std::stoul(cls.substr(1)));
    for (ClassIndex c = 0; c < known.size(); ++c) {
      if (known[c] == cls) spec.taskClass = c;
    }
    if (paren != std::string::npos) {
      std::string inputs = words[i].substr(paren + 1, words[i].size() - paren - 2);
      for (const std::string& one : split(inputs, ',')) {
        spec.inputs.push_back(idOf(one, submit.job));
      }
    }
    submit.tasks.push_back(std::move(spec));
  }
  return submit;
}

namespace {

// Whether `key` is one that a resource set has by itself.
bool readNeed(ResourceSet& needs, const std::string& key, const std::string& value) {
  if (key == "cpu") needs.cpus = amountOf(value);
  else if (key == "gpu") needs.gpus = amountOf(value);
  else if (key == "memory") needs.memory = bytesOf(value);
  else if (key == "gpu.memory") needs.gpuMemory = bytesOf(value);
  else return false;
  return true;
}

// "cuda:h:gpu=0.5,gpu.memory=1GiB"
Variant readVariant(const std::string& text) {
  auto parts = split(text, ':');
  Variant variant{parts.at(0), parts.at(1), {}};
  for (const std::string& need : split(parts.at(2), ',')) {
    auto at = need.find('=');
    readNeed(variant.needs, need.substr(0, at), need.substr(at + 1));
  }
  return variant;
}

}  // namespace

Submit HeadScript::readClass(const std::vector<std::string>& words) {
  Submit submit;
  submit.job = jobOf(words.at(0));
  TaskClass cls;
  cls.function = words.at(1);
  for (std::size_t i = 2; i < words.size(); ++i) {
    auto at = words[i].find('=');
    std::string key = words[i].substr(0, at);
    std::string value = at == std::string::npos ? "" : words[i].substr(at + 1);
    if (readNeed(cls.needs, key, value)) continue;
    if (key == "as") cls.variants.push_back(readVariant(value));
    else if (key == "priority") cls.priority = std::stoi(value);
    else if (key == "retries") cls.retries = static_cast<std::uint32_t>(std::stoul(value));
    else if (key == "retryExceptions") cls.retryExceptions = true;
    else if (key == "preemptible") cls.preemptible = true;
    else if (key == "delay") cls.delay = std::chrono::milliseconds(std::stol(value));
    else if (key == "deadline") cls.deadline = std::chrono::milliseconds(std::stol(value));
    else if (key == "rule") cls.placing.rules.push_back(LabelRule::parse(value).value());
    else if (key == "by") static_cast<void>(parsePolicy(value, cls.placing));
    else if (key == "apart") cls.placing.apart = value;
    else if (key == "cpuParts") cls.needs.cpus.parts = std::stoll(value);
    else cls.needs.named.push_back({key, amountOf(value)});
  }
  if (cls.hasVariants()) cls.needs = cls.variants.front().needs;
  classes_[submit.job].push_back(cls.function);
  submit.classes.push_back(std::move(cls));
  return submit;
}

NodeJoined HeadScript::readNode(const std::vector<std::string>& words) {
  auto parts = split(words.at(0), '/');
  NodeJoined joined{parts.at(0), {std::stoull(parts.at(1))}, {}, {}};
  Topology& topology = joined.topology;
  topology.domains = {{0, 0, 1_GiB}};
  topology.cores = {{0, 0}};
  std::vector<NamedAmount> named;
  for (std::size_t i = 1; i < words.size(); ++i) {
    auto at = words[i].find('=');
    std::string key = words[i].substr(0, at);
    std::string value = words[i].substr(at + 1);
    if (key == "cpu") {
      topology.cores.resize(std::stoul(value));
    } else if (key == "memory") {
      topology.domains[0].memory = bytesOf(value);
    } else if (key == "gpu") {
      auto times = value.find('x');
      topology.gpus.resize(std::stoul(value.substr(0, times)));
      auto comma = value.find(',');
      for (Gpu& gpu : topology.gpus) {
        gpu.memory = bytesOf(value.substr(times + 1, comma - times - 1));
        if (comma != std::string::npos) gpu.model = value.substr(comma + 1);
      }
      topology.links.resize(topology.gpus.size() * topology.gpus.size());
    } else if (key == "label") {
      topology.labels.push_back(value);
    } else {
      named.push_back({key, amountOf(value)});
    }
  }
  joined.total = topology.total();
  joined.total.named = std::move(named);
  return joined;
}

// "$f.1/20:10us*1/3"
CostReport HeadScript::readCost(const std::string& word) {
  auto dot = word.find('.'), slash = word.find('/'), colon = word.find(':'), star = word.find('*');
  CostReport cost;
  for (const auto& [job, classes] : classes_) {
    for (ClassIndex c = 0; c < classes.size(); ++c) {
      if (classes[c] != word.substr(1, dot - 1)) continue;
      cost.job = job;
      cost.taskClass = c;
    }
  }
  cost.variant = static_cast<std::uint8_t>(std::stoul(word.substr(dot + 1)));
  cost.sizeClass = static_cast<std::uint8_t>(std::stoul(word.substr(slash + 1)));
  cost.mean = std::chrono::microseconds(std::stoul(word.substr(colon + 1)));
  cost.runs = static_cast<std::uint32_t>(std::stoul(word.substr(star + 1)));
  cost.total = static_cast<std::uint32_t>(std::stoul(word.substr(word.rfind('/') + 1)));
  return cost;
}

NodeHeard HeadScript::readReport(const std::vector<std::string>& words) {
  auto parts = split(words.at(0), '/');
  NodeHeard heard{{static_cast<std::uint32_t>(std::stoul(parts.at(0)))},
                  {std::stoull(parts.at(1))}, {}};
  for (std::size_t i = 1; i < words.size(); ++i) {
    std::string word = words[i];
    if (word[0] == '+') {
      auto colon = word.find(':');
      heard.report.kept.push_back(
          {idOf(word.substr(1, colon - 1), {}), bytesOf(word.substr(colon + 1))});
      continue;
    }
    if (word[0] == '-') {
      heard.report.dropped.push_back(idOf(word.substr(1), {}));
      continue;
    }
    if (word[0] == '$') {
      heard.report.costs.push_back(readCost(word));
      continue;
    }
    if (word.starts_with("rate=")) {
      heard.report.pullRate = bytesOf(word.substr(5));
      continue;
    }
    if (word.starts_with("out=")) {
      heard.report.withdrawn.emplace();
      for (const std::string& gpu : split(word.substr(4), ',')) {
        heard.report.withdrawn->push_back({static_cast<std::uint32_t>(std::stoul(gpu)), "sick"});
      }
      continue;
    }
    TaskDone done;
    if (auto slash = word.find('/'); slash != std::string::npos) {
      bool isLost = word[slash + 1] == '/';
      done.health = isLost ? DeviceHealth::deviceLost : DeviceHealth::contextLost;
      done.sickGpu = static_cast<std::uint32_t>(std::stoul(word.substr(slash + 1 + isLost)));
      word.resize(slash);
    }
    if (auto caret = word.find('^'); caret != std::string::npos) {
      done.variant = static_cast<std::uint8_t>(std::stoul(word.substr(caret + 1)));
      word.resize(caret);
    }
    if (auto tilde = word.find('~'); tilde != std::string::npos) {
      done.ran = std::chrono::microseconds(std::stoul(word.substr(tilde + 1)));
      word.resize(tilde);
    }
    auto hash = word.find('#');
    auto how = word.find_first_of("=@!<");
    done.id = idOf(word.substr(0, hash), {});
    done.attempt = {static_cast<std::uint32_t>(std::stoul(word.substr(hash + 1)))};
    std::string rest = word.substr(how + 1);
    if (word[how] == '=') {
      if (auto device = rest.find('&'); device != std::string::npos) {
        done.gpu = static_cast<std::uint32_t>(std::stoul(rest.substr(device + 1)));
        rest.resize(device);
      }
      done.held = blobOf(rest);
    } else if (word[how] == '@') {
      done.how = TaskDone::How::stored;
      done.size = bytesOf(rest);
    } else if (word[how] == '<') {
      done.how = TaskDone::How::returned;
    } else {
      done.how = TaskDone::How::failed;
      auto failure = std::make_shared<Failure>();
      if (auto colon = rest.find(':'); colon != std::string::npos) {
        failure->task = idOf(rest.substr(colon + 1), {});
        rest.resize(colon);
      }
      failure->kind = kKinds.at(rest);
      failure->message = "as reported";
      done.failure = std::move(failure);
    }
    heard.report.done.push_back(std::move(done));
  }
  return heard;
}

}  // namespace alnilam::head
