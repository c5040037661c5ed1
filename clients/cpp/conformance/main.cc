// A driver of the conformance suite: one JSON object a line in, one a line out.

#include <longshore/client.h>
#include <longshore/units.h>

#include <charconv>
#include <cstdio>
#include <functional>
#include <iostream>
#include <map>

#include "watches.h"
#include "words.h"

namespace driver {
namespace {

namespace v1 = longshore::v1;

// What an answer holds, or its error as an exception.
template <typename T>
T Value(longshore::Result<T> result) {
  return std::move(result).value();
}

Json Job(longshore::Result<v1::Job> job) {
  return {{"job", ToJson(Value(std::move(job)))}};
}

std::vector<v1::JobState> States(const Json& fields) {
  std::vector<v1::JobState> states;
  for (const std::string name : fields.value("states", Json::array())) {
    v1::JobState state;
    if (!v1::JobState_Parse(name, &state)) throw DriverError("no state " + name);
    states.push_back(state);
  }
  return states;
}

// Whole numbers stay whole: 90, and 0.25.
std::string Shortest(double value) {
  char text[64];
  const auto end =
      std::to_chars(text, text + sizeof text, value, std::chars_format::fixed);
  return {text, end.ptr};
}

template <typename Item>
Json Some(longshore::Pages<Item> pages, const Json& fields) {
  const std::size_t most = fields.value("take", std::size_t(-1));
  Json items = Json::array();
  while (items.size() < most) {
    auto item = pages.Next();
    if (!item) break;
    items.push_back(ToJson(Value(*std::move(item))));
  }
  return items;
}

class Driver {
 public:
  Json Do(const Json& fields) {
    const auto op = ops_.find(fields.at("op"));
    if (op == ops_.end()) throw DriverError("no such op");
    return op->second(fields);
  }

 private:
  using Fields = const Json&;
  using Op = std::function<Json(Fields)>;

  longshore::Client& client(Fields fields) { return clients_.at(fields.at("client")); }

  longshore::JobHandle handle(Fields fields) {
    return client(fields).Job(fields.at("job_id"));
  }

  static std::int64_t Expected(Fields fields) {
    return std::stoll(fields.value("expected_revision", std::string("0")));
  }

  static Json Hello(Fields) {
    return {{"language", "cpp"}, {"version", longshore::Version()}};
  }

  Json Connect(Fields fields) {
    longshore::ClientOptions options;
    options.address = fields.value("address", "");
    longshore::Credentials who;
    bool is_given = false;
    const auto take = [&](const char* name, std::optional<std::string>* into) {
      if (!fields.contains(name)) return;
      *into = fields.at(name).get<std::string>();
      is_given = true;
    };
    take("tls_ca", &who.tls_ca);
    take("tls_cert", &who.tls_cert);
    take("tls_key", &who.tls_key);
    take("tls_name", &who.tls_name);
    take("token", &who.token);
    take("token_file", &who.token_file);
    if (is_given) options.credentials = who;
    clients_.insert_or_assign(fields.at("client"),
                              Value(longshore::Client::Open(std::move(options))));
    return Json::object();
  }

  Json Close(Fields fields) {
    client(fields).Close();
    clients_.erase(fields.at("client"));
    return Json::object();
  }

  Json Create(Fields fields) {
    const auto job =
        Value(client(fields).Create(Parsed<v1::CreateJobRequest>(fields, "request")));
    return {{"job_id", job.id()}, {"is_new", job.is_new()}, {"job", ToJson(job.job())}};
  }

  Json CreateGroup(Fields fields) {
    Json jobs = Json::array();
    bool is_new = true;
    const auto request = Parsed<v1::CreateJobGroupRequest>(fields, "request");
    for (const auto& job : Value(client(fields).CreateGroup(request))) {
      jobs.push_back(ToJson(job.job()));
      is_new = is_new && job.is_new();
    }
    return {{"jobs", jobs}, {"is_new", is_new}};
  }

  Json Plan(Fields fields) {
    v1::CreateJobRequest request;
    *request.mutable_info() = Parsed<v1::JobInfo>(fields, "info");
    return {{"plan", ToJson(Value(client(fields).Plan(request)))}};
  }

  Json Cancel(Fields fields) {
    longshore::CancelOptions options;
    options.comment = fields.value("comment", "");
    options.wait = fields.value("wait", false);
    options.force = fields.value("force", false);
    options.expected_revision = Expected(fields);
    return Job(handle(fields).Cancel(options));
  }

  Json Complete(Fields fields) {
    auto mode = v1::COMPLETION_MODE_SWITCH;
    const std::string name = fields.value("mode", v1::CompletionMode_Name(mode));
    if (!v1::CompletionMode_Parse(name, &mode)) throw DriverError("no mode " + name);
    return Job(handle(fields).Complete(mode, Expected(fields)));
  }

  Json SetSpeed(Fields fields) {
    const auto& speed = fields.at("bytes_per_second");
    std::optional<std::int64_t> given;
    if (!speed.is_null()) given = std::stoll(speed.get<std::string>());
    return Job(handle(fields).SetSpeed(given));
  }

  Json Update(Fields fields) {
    std::optional<std::vector<std::string>> paths;
    if (fields.contains("paths")) paths = fields.at("paths");
    return Job(handle(fields).Update(Parsed<v1::JobOptions>(fields, "options"), paths,
                                     Expected(fields)));
  }

  Json Wait(Fields fields) {
    longshore::WaitOptions options;
    if (fields.contains("timeout")) {
      options.timeout = longshore::Seconds(fields.at("timeout").get<double>());
    }
    options.states = States(fields);
    options.fail_with_job = fields.value("raise_on_failure", true);
    return Job(handle(fields).Wait(options));
  }

  Json List(Fields fields) {
    v1::ListJobsRequest request;
    for (const auto state : States(fields)) request.add_states(state);
    request.set_page_size(fields.value("page_size", 0));
    *request.mutable_selector() = Parsed<v1::JobSelector>(fields, "select");
    return {{"jobs", Some(client(fields).List(request), fields)}};
  }

  static v1::ImageRef Image(Fields fields) {
    return longshore::ImageAt(fields.at("uri"), fields.value("format", "qcow2"));
  }

  Json GetImage(Fields fields) {
    v1::GetImageRequest request;
    *request.mutable_image() = Image(fields);
    return {{"image", ToJson(Value(client(fields).GetImage(request)))}};
  }

  Json MapImage(Fields fields) {
    v1::MapImageRequest request;
    *request.mutable_image() = Image(fields);
    return {{"extents", Some(client(fields).MapImage(request), fields)}};
  }

  Json CreateImage(Fields fields) {
    const auto request = Parsed<v1::CreateImageRequest>(fields, "request");
    return {{"image", ToJson(Value(client(fields).CreateImage(request)))}};
  }

  template <typename Stub, typename Request, typename Response>
  Json Call(Fields fields, Stub& stub,
            grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&,
                                         Response*)) {
    grpc::ClientContext context;
    if (const auto error = client(fields).Prepare(context)) throw *error;
    Response response;
    const auto status =
        (stub.*method)(&context, Parsed<Request>(fields, "request"), &response);
    if (!status.ok()) throw longshore::Error::FromCall(status);
    return ToJson(response);
  }

  Json Raw(Fields fields) {
    using Jobs = v1::JobService::Stub;
    const std::string method = fields.at("method");
    auto& jobs = client(fields).jobs();
    if (method == "GetJob") return Call(fields, jobs, &Jobs::GetJob);
    if (method == "ListJobs") return Call(fields, jobs, &Jobs::ListJobs);
    if (method == "CreateJob") return Call(fields, jobs, &Jobs::CreateJob);
    if (method == "PauseJob") return Call(fields, jobs, &Jobs::PauseJob);
    if (method == "GetCapabilities") {
      return Call(fields, client(fields).system(),
                  &v1::SystemService::Stub::GetCapabilities);
    }
    throw DriverError("raw " + method + " is not offered");
  }

  static Json Parse(Fields fields) {
    const std::string what = fields.at("what"), text = fields.at("text");
    if (what == "duration") {
      return {{"value", Shortest(Value(longshore::ParseDuration(text)).count())}};
    }
    const auto parse = what == "rate" ? longshore::ParseRate : longshore::ParseSize;
    return {{"value", std::to_string(Value(parse(text)))}};
  }

  static Json Format(Fields fields) {
    const std::string what = fields.at("what");
    const auto& given = fields.at("value");
    const double value =
        given.is_string() ? std::stod(given.get<std::string>()) : given.get<double>();
    if (what == "duration") {
      return {{"text", longshore::FormatDuration(longshore::Seconds(value))}};
    }
    return {{"text", what == "rate" ? longshore::FormatRate(value)
                                    : longshore::FormatSize(value)}};
  }

  std::map<std::string, longshore::Client> clients_;
  Watches watches_;
  const std::map<std::string, Op> ops_ = {
      {"hello", Hello},
      {"connect", [this](Fields in) { return Connect(in); }},
      {"close", [this](Fields in) { return Close(in); }},
      {"create", [this](Fields in) { return Create(in); }},
      {"create_group", [this](Fields in) { return CreateGroup(in); }},
      {"plan", [this](Fields in) { return Plan(in); }},
      {"get", [this](Fields in) { return Job(handle(in).Get()); }},
      {"pause",
       [this](Fields in) {
         return Job(handle(in).Pause(in.value("comment", ""), Expected(in)));
       }},
      {"resume", [this](Fields in) { return Job(handle(in).Resume(Expected(in))); }},
      {"cancel", [this](Fields in) { return Cancel(in); }},
      {"complete", [this](Fields in) { return Complete(in); }},
      {"finalize",
       [this](Fields in) { return Job(handle(in).Finalize(Expected(in))); }},
      {"dismiss",
       [this](Fields in) {
         return Job(handle(in).Dismiss(in.value("allow_missing", false), Expected(in)));
       }},
      {"set_speed", [this](Fields in) { return SetSpeed(in); }},
      {"update", [this](Fields in) { return Update(in); }},
      {"wait", [this](Fields in) { return Wait(in); }},
      {"list", [this](Fields in) { return List(in); }},
      {"capabilities",
       [this](Fields in) { return ToJson(Value(client(in).GetCapabilities())); }},
      {"image", [this](Fields in) { return GetImage(in); }},
      {"map", [this](Fields in) { return MapImage(in); }},
      {"create_image", [this](Fields in) { return CreateImage(in); }},
      {"raw", [this](Fields in) { return Raw(in); }},
      {"watch_open", [this](Fields in) { return watches_.Open(client(in), in); }},
      {"watch_next", [this](Fields in) { return watches_.Next(in); }},
      {"watch_cursor", [this](Fields in) { return watches_.Cursor(in); }},
      {"watch_close", [this](Fields in) { return watches_.Close(in); }},
      {"watch_take", [this](Fields in) { return watches_.Take(client(in), in); }},
      {"watch_record", [this](Fields in) { return watches_.Record(client(in), in); }},
      {"watch_recorded", [this](Fields in) { return watches_.Recorded(in); }},
      {"drain", [this](Fields in) { return watches_.Drain(client(in), in); }},
      {"parse", Parse},
      {"format", Format},
  };
};

Json Outcome(Driver& driver, const Json& request) {
  try {
    return {{"id", request.at("id")}, {"ok", driver.Do(request)}};
  } catch (const longshore::Error& error) {
    return {{"id", request.at("id")}, {"error", ToJson(error)}};
  } catch (const std::exception& error) {
    return {{"id", request.at("id")},
            {"error", {{"class", "DriverError"}, {"message", error.what()}}}};
  }
}

void Serve() {
  Driver driver;
  for (std::string line; std::getline(std::cin, line);) {
    const Json answer = Outcome(driver, Json::parse(line));
    std::cout << answer.dump(-1, ' ', false, Json::error_handler_t::replace)
              << std::endl;
  }
}

}  // namespace
}  // namespace driver

int main() { driver::Serve(); }
