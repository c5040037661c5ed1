package main

import (
	"encoding/json"
	"errors"
	"fmt"

	rpccode "google.golang.org/genproto/googleapis/rpc/code"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/known/emptypb"

	longshore "github.com/longshore/longshore/clients/go"
	pb "github.com/longshore/longshore/clients/go/longshorev1"
)

type object = map[string]any

// driverError says that the runner asks for what this driver does not know.
type driverError string

func (e driverError) Error() string { return string(e) }

// message is canonical JSON.
func message(found proto.Message) json.RawMessage {
	if !found.ProtoReflect().IsValid() {
		return json.RawMessage("{}")
	}
	text, err := protojson.MarshalOptions{Resolver: anything{protoregistry.GlobalTypes}}.Marshal(found)
	if err != nil {
		panic(err)
	}
	return text
}

func messages[M proto.Message](found []M) []json.RawMessage {
	shown := make([]json.RawMessage, len(found))
	for i, one := range found {
		shown[i] = message(one)
	}
	return shown
}

// anything shows an Any of a type newer than this client as an empty message.
type anything struct{ *protoregistry.Types }

func (a anything) FindMessageByURL(url string) (protoreflect.MessageType, error) {
	found, err := a.Types.FindMessageByURL(url)
	if errors.Is(err, protoregistry.NotFound) {
		return (&emptypb.Empty{}).ProtoReflect().Type(), nil
	}
	return found, err
}

func parsed[M proto.Message](given json.RawMessage, into M) (M, error) {
	if given == nil {
		return into, nil
	}
	return into, protojson.Unmarshal(given, into)
}

// stateName is the number of a state newer than this client.
func stateName(state pb.JobState) any {
	if name, known := pb.JobState_name[int32(state)]; known {
		return name
	}
	return int32(state)
}

func typeOf(value longshore.Value) string {
	switch value.(type) {
	case longshore.Event:
		return "event"
	case longshore.Progress:
		return "progress"
	case longshore.Snapshot:
		return "snapshot"
	default:
		return "resynced"
	}
}

// shown is a value of a watch.
func shown(value longshore.Value) object {
	found := object{"type": typeOf(value)}
	switch value := value.(type) {
	case longshore.Event:
		found["kind"] = value.KindName()
		found["revision"] = fmt.Sprint(value.Revision)
		found["job"] = message(value.Job)
		found["previousState"] = stateName(value.PreviousState)
		found["cursor"] = message(value.Cursor)
	case longshore.Progress:
		found["job_id"], found["progress"] = value.JobId, message(value.Progress)
	case longshore.Snapshot:
		found["jobs"], found["cursor"] = messages(value.Jobs), message(value.Cursor)
	case longshore.Resynced:
		found["jobs"], found["cursor"] = messages(value.Jobs), message(value.Cursor)
	}
	return found
}

// errorOf is an error by its canonical class.
func errorOf(err error) object {
	shown := object{"class": classOf(err), "message": err.Error()}
	switch err := err.(type) {
	case *longshore.JobError:
		shown["job"] = message(err.Job)
	case *longshore.ServiceError:
		shown["message"] = err.Message
		shown["code"] = rpccode.Code(err.Code).String()
		shown["reason"], shown["domain"], shown["metadata"] = err.Reason, err.Domain, err.Metadata
		shown["requestId"] = err.RequestID
		shown["retryDelay"] = nil
		if err.RetryDelay != nil {
			shown["retryDelay"] = err.RetryDelay.Seconds()
		}
		violations := make([]object, len(err.FieldViolations))
		for i, one := range err.FieldViolations {
			violations[i] = object{"field": one.Field, "description": one.Description}
		}
		shown["fieldViolations"] = violations
		if err.Metadata == nil {
			shown["metadata"] = object{}
		}
	}
	return shown
}

func classOf(err error) string {
	var kind longshore.Kind
	var unknown driverError
	switch {
	case errors.As(err, &kind):
		return string(kind)
	case errors.As(err, &unknown), errors.Is(err, longshore.ErrClosed):
		return "DriverError"
	}
	return "BadArgument"
}
