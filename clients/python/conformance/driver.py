"""What the runner can ask for, but for watches: one method an op."""

from collections.abc import Callable
from itertools import islice
from typing import Any

from longshore import Credentials, Submit, __version__, units
from longshore.v1 import (
    image_pb2,
    image_service_pb2,
    job_info_pb2,
    job_options_pb2,
    job_pb2,
    job_service_pb2,
    system_service_pb2,
    watch_pb2,
)

from .watches import Watches
from .words import DriverError, message, parsed

Fields = dict[str, Any]
MakeClient = Callable[[str | None, Credentials | None], Any]

_CREDENTIALS = ("tls_ca", "tls_cert", "tls_key", "tls_name", "token", "token_file")

# What `raw` may be asked for.
_REQUESTS: dict[str, Any] = {
    "GetJob": job_service_pb2.GetJobRequest,
    "ListJobs": job_service_pb2.ListJobsRequest,
    "CreateJob": job_service_pb2.CreateJobRequest,
    "PauseJob": job_service_pb2.PauseJobRequest,
    "GetCapabilities": system_service_pb2.GetCapabilitiesRequest,
}

_PARSERS: dict[str, Callable[[str], float]] = {
    "size": units.parse_size,
    "rate": units.parse_rate,
    "duration": units.parse_duration,
}
_FORMATS: dict[str, Callable[[float], str]] = {
    "size": units.format_size,
    "rate": units.format_rate,
    "duration": units.format_duration,
}


class Driver:
    """Clients by name, and what is done with them."""

    def __init__(self, language: str, make_client: MakeClient) -> None:
        self._language = language
        self._make_client = make_client
        self._clients: dict[str, Any] = {}
        self._watches = Watches(self._clients)

    def do(self, fields: Fields) -> Fields:
        name = fields["op"]
        for place in (self, self._watches):
            if op := getattr(place, f"op_{name}", None):
                done: Fields = op(fields)
                return done
        raise DriverError(f"no op {name!r}")

    def _client(self, fields: Fields) -> Any:
        return self._clients[fields["client"]]

    def op_hello(self, fields: Fields) -> Fields:
        return {"language": self._language, "version": __version__}

    def op_connect(self, fields: Fields) -> Fields:
        given = {key: fields[key] for key in _CREDENTIALS if key in fields}
        who = Credentials(**given) if given else None
        client = self._make_client(fields.get("address"), who)
        self._clients[fields["client"]] = client
        return {}

    def op_close(self, fields: Fields) -> Fields:
        self._clients.pop(fields["client"]).close()
        return {}

    # Jobs

    def op_create(self, fields: Fields) -> Fields:
        request = parsed(fields["request"], job_service_pb2.CreateJobRequest)
        job = self._client(fields).create(request.info, _submit(request))
        found = message(job.job)
        return {"job_id": job.job_id, "is_new": job.is_new, "job": found}

    def op_create_group(self, fields: Fields) -> Fields:
        request = parsed(fields["request"], job_service_pb2.CreateJobGroupRequest)
        made = self._client(fields).create_group(request)
        jobs = [message(one.job) for one in made]
        return {"jobs": jobs, "is_new": all(one.is_new for one in made)}

    def op_plan(self, fields: Fields) -> Fields:
        info = parsed(fields["info"], job_info_pb2.JobInfo)
        return {"plan": message(self._client(fields).plan(info))}

    def _verb(self, fields: Fields, name: str, **more: Any) -> Fields:
        """A verb of the handle, with those of its arguments that are given."""
        if "expected_revision" in fields:
            more["expected_revision"] = int(fields["expected_revision"])
        for key in ("comment", "wait", "force", "allow_missing"):
            if key in fields:
                more[key] = fields[key]
        job = self._client(fields).job(fields["job_id"])
        return {"job": message(getattr(job, name)(**more))}

    def op_get(self, fields: Fields) -> Fields:
        return self._verb(fields, "get")

    def op_pause(self, fields: Fields) -> Fields:
        return self._verb(fields, "pause")

    def op_resume(self, fields: Fields) -> Fields:
        return self._verb(fields, "resume")

    def op_cancel(self, fields: Fields) -> Fields:
        return self._verb(fields, "cancel")

    def op_complete(self, fields: Fields) -> Fields:
        if "mode" not in fields:
            return self._verb(fields, "complete")
        mode = job_service_pb2.CompletionMode.Value(fields["mode"])
        return self._verb(fields, "complete", mode=mode)

    def op_finalize(self, fields: Fields) -> Fields:
        return self._verb(fields, "finalize")

    def op_dismiss(self, fields: Fields) -> Fields:
        return self._verb(fields, "dismiss")

    def op_set_speed(self, fields: Fields) -> Fields:
        speed = fields["bytes_per_second"]
        given = None if speed is None else int(speed)
        return self._verb(fields, "set_speed", bytes_per_second=given)

    def op_update(self, fields: Fields) -> Fields:
        options = parsed(fields["options"], job_options_pb2.JobOptions)
        paths = fields.get("paths")
        return self._verb(fields, "update", options=options, paths=paths)

    def op_wait(self, fields: Fields) -> Fields:
        job = self._client(fields).job(fields["job_id"])
        found = job.wait(
            fields.get("timeout"),
            states=_states(fields),
            raise_on_failure=fields.get("raise_on_failure", True),
        )
        return {"job": message(found)}

    def op_list(self, fields: Fields) -> Fields:
        found = self._client(fields).list(
            states=_states(fields),
            page_size=fields.get("page_size", 0),
            select=parsed(fields.get("select"), watch_pb2.JobSelector),
        )
        jobs = islice(iter(found), fields.get("take"))
        return {"jobs": [message(job) for job in jobs]}

    # Images and the daemon

    def op_capabilities(self, fields: Fields) -> Fields:
        return message(self._client(fields).capabilities())

    def op_image(self, fields: Fields) -> Fields:
        return {"image": message(self._client(fields).image(_image(fields)))}

    def op_map(self, fields: Fields) -> Fields:
        found = iter(self._client(fields).map(_image(fields)))
        extents = islice(found, fields.get("take"))
        return {"extents": [message(one) for one in extents]}

    def op_create_image(self, fields: Fields) -> Fields:
        request = parsed(fields["request"], image_service_pb2.CreateImageRequest)
        return {"image": message(self._client(fields).create_image(request))}

    def op_raw(self, fields: Fields) -> Fields:
        if fields["method"] not in _REQUESTS:
            raise DriverError(f"raw {fields['method']} is not offered")
        request = parsed(fields["request"], _REQUESTS[fields["method"]])
        stub = self._client(fields).stub(fields["service"])
        return message(getattr(stub, fields["method"])(request))

    # Units

    def op_parse(self, fields: Fields) -> Fields:
        value = _PARSERS[fields["what"]](fields["text"])
        return {"value": str(value).removesuffix(".0")}

    def op_format(self, fields: Fields) -> Fields:
        return {"text": _FORMATS[fields["what"]](float(fields["value"]))}


def _submit(request: job_service_pb2.CreateJobRequest) -> Submit:
    return Submit(
        job_id=request.job_id,
        options=request.options if request.HasField("options") else None,
        labels=dict(request.labels),
        request_id=request.request_id,
        on_conflict=request.on_conflict,
        after=tuple(request.after),
    )


def _states(fields: Fields) -> list[job_pb2.JobState.ValueType]:
    return [job_pb2.JobState.Value(name) for name in fields.get("states", ())]


def _image(fields: Fields) -> image_pb2.ImageRef:
    return image_pb2.ImageRef(uri=fields["uri"], format=fields.get("format", "qcow2"))
