package main

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	longshore "github.com/longshore/longshore/clients/go"
	pb "github.com/longshore/longshore/clients/go/longshorev1"
)

// driver has clients and watches by name, and an op for each thing to do with them.
type driver struct {
	clients   map[string]*longshore.Client
	opened    map[string]*opened
	recorders map[string]*recorder
	ops       map[string]func(*fields) (object, error)
}

func newDriver() *driver {
	d := &driver{
		clients:   map[string]*longshore.Client{},
		opened:    map[string]*opened{},
		recorders: map[string]*recorder{},
	}
	d.ops = map[string]func(*fields) (object, error){
		"hello": d.hello, "connect": d.connect, "close": d.close,
		"create": d.create, "create_group": d.createGroup, "plan": d.plan,
		"get": d.verb, "pause": d.verb, "resume": d.verb, "cancel": d.verb, "complete": d.verb,
		"finalize": d.verb, "dismiss": d.verb, "set_speed": d.verb, "update": d.verb, "wait": d.verb,
		"list": d.list, "map": d.extents, "image": d.image, "create_image": d.createImage,
		"capabilities": d.capabilities, "raw": d.raw, "parse": parse, "format": format,
		"watch_open": d.watchOpen, "watch_next": d.watchNext, "watch_cursor": d.watchCursor,
		"watch_close": d.watchClose, "watch_take": d.watchTake, "watch_record": d.watchRecord,
		"watch_recorded": d.watchRecorded, "drain": d.drain,
	}
	return d
}

// outcome is the answer to an op, an error of any kind included.
func (d *driver) outcome(f *fields) (answer object) {
	defer func() {
		if broken := recover(); broken != nil {
			answer = object{"id": f.ID, "error": errorOf(driverError(fmt.Sprint(broken)))}
		}
	}()
	op, known := d.ops[f.Op]
	if !known {
		return object{"id": f.ID, "error": errorOf(driverError("no op " + f.Op))}
	}
	found, err := op(f)
	if err != nil {
		return object{"id": f.ID, "error": errorOf(err)}
	}
	return object{"id": f.ID, "ok": found}
}

func (d *driver) hello(*fields) (object, error) {
	return object{"language": "go", "version": longshore.Version}, nil
}

func (d *driver) connect(f *fields) (object, error) {
	client, err := longshore.New(f.Address, f.credentials())
	if err == nil {
		d.clients[f.Client] = client
	}
	return object{}, err
}

func (d *driver) close(f *fields) (object, error) {
	client := d.clients[f.Client]
	delete(d.clients, f.Client)
	return object{}, client.Close()
}

// Jobs

func (d *driver) create(f *fields) (object, error) {
	request, err := parsed(f.Request, &pb.CreateJobRequest{})
	if err != nil {
		return nil, err
	}
	job, err := d.clients[f.Client].Create(context.Background(), request)
	if err != nil {
		return nil, err
	}
	return object{"job_id": job.ID, "is_new": job.IsNew, "job": message(job.Created)}, nil
}

func (d *driver) createGroup(f *fields) (object, error) {
	request, err := parsed(f.Request, &pb.CreateJobGroupRequest{})
	if err != nil {
		return nil, err
	}
	made, err := d.clients[f.Client].CreateGroup(context.Background(), request)
	jobs, isNew := []json.RawMessage{}, true
	for _, job := range made {
		jobs, isNew = append(jobs, message(job.Created)), isNew && job.IsNew
	}
	return object{"jobs": jobs, "is_new": isNew}, err
}

func (d *driver) plan(f *fields) (object, error) {
	info, err := parsed(f.Info, &pb.JobInfo{})
	if err != nil {
		return nil, err
	}
	plan, err := d.clients[f.Client].Plan(context.Background(), &pb.CreateJobRequest{Info: info})
	return object{"plan": message(plan)}, err
}

func (d *driver) verb(f *fields) (object, error) {
	ctx, job := context.Background(), d.clients[f.Client].Job(*f.JobID)
	if f.ExpectedRevision != "" {
		revision, err := f.ExpectedRevision.Int64()
		if err != nil {
			return nil, err
		}
		job = job.AtRevision(revision)
	}
	found, err := func() (*pb.Job, error) {
		switch f.Op {
		case "pause":
			return job.Pause(ctx, f.Comment)
		case "resume":
			return job.Resume(ctx)
		case "cancel":
			return job.Cancel(ctx, longshore.CancelOptions{Comment: f.Comment, Force: f.Force, Wait: f.Wait})
		case "complete":
			return complete(ctx, job, f)
		case "finalize":
			return job.Finalize(ctx)
		case "dismiss":
			return job.Dismiss(ctx, f.AllowMissing)
		case "set_speed":
			return setSpeed(ctx, job, f)
		case "update":
			return update(ctx, job, f)
		case "wait":
			return wait(ctx, job, f)
		default:
			return job.Get(ctx)
		}
	}()
	return object{"job": message(found)}, err
}

func complete(ctx context.Context, job *longshore.Job, f *fields) (*pb.Job, error) {
	mode := pb.CompletionMode_COMPLETION_MODE_SWITCH
	if f.Mode != "" {
		number, known := pb.CompletionMode_value[f.Mode]
		if !known {
			return nil, fmt.Errorf("no mode %q", f.Mode)
		}
		mode = pb.CompletionMode(number)
	}
	return job.Complete(ctx, mode)
}

func setSpeed(ctx context.Context, job *longshore.Job, f *fields) (*pb.Job, error) {
	if f.BytesPerSecond == "" {
		return job.ClearSpeed(ctx)
	}
	speed, err := f.BytesPerSecond.Int64()
	if err != nil {
		return nil, err
	}
	return job.SetSpeed(ctx, speed)
}

func update(ctx context.Context, job *longshore.Job, f *fields) (*pb.Job, error) {
	options, err := parsed(f.Options, &pb.JobOptions{})
	if err != nil {
		return nil, err
	}
	return job.Update(ctx, options, f.Paths...)
}

func wait(ctx context.Context, job *longshore.Job, f *fields) (*pb.Job, error) {
	how, err := f.waitOptions()
	if err != nil {
		return nil, err
	}
	return job.WaitFor(ctx, how)
}

func (d *driver) list(f *fields) (object, error) {
	states, err := f.states()
	if err != nil {
		return nil, err
	}
	request := &pb.ListJobsRequest{States: states, PageSize: f.PageSize}
	if f.Select != nil {
		if request.Selector, err = parsed(f.Select, &pb.JobSelector{}); err != nil {
			return nil, err
		}
	}
	jobs, err := taken(f, d.clients[f.Client].List(context.Background(), request))
	return object{"jobs": jobs}, err
}

// taken is as many items as are asked for; the next page is not.
func taken[M proto.Message](f *fields, items iter.Seq2[M, error]) ([]json.RawMessage, error) {
	found := []json.RawMessage{}
	if f.Take != nil && *f.Take == 0 {
		return found, nil
	}
	for item, err := range items {
		if err != nil {
			return nil, err
		}
		found = append(found, message(item))
		if f.Take != nil && len(found) == *f.Take {
			break
		}
	}
	return found, nil
}

// Images and the daemon

func (f *fields) image() *pb.ImageRef {
	image := longshore.Qcow2(f.URI)
	if f.Format != "" {
		image.Format = f.Format
	}
	return image
}

func (d *driver) image(f *fields) (object, error) {
	image, err := d.clients[f.Client].Image(context.Background(), f.image())
	return object{"image": message(image)}, err
}

func (d *driver) extents(f *fields) (object, error) {
	found := d.clients[f.Client].Map(context.Background(), &pb.MapImageRequest{Image: f.image()})
	extents, err := taken(f, found)
	return object{"extents": extents}, err
}

func (d *driver) createImage(f *fields) (object, error) {
	request, err := parsed(f.Request, &pb.CreateImageRequest{})
	if err != nil {
		return nil, err
	}
	image, err := d.clients[f.Client].CreateImage(context.Background(), request)
	return object{"image": message(image)}, err
}

func (d *driver) capabilities(f *fields) (object, error) {
	found, err := d.clients[f.Client].Capabilities(context.Background())
	if err != nil {
		return nil, err
	}
	return fieldsOf(found)
}

// fieldsOf is a message as the object itself.
func fieldsOf(found proto.Message) (object, error) {
	var answer object
	return answer, json.Unmarshal(message(found), &answer)
}

func (d *driver) raw(f *fields) (object, error) {
	client := d.clients[f.Client]
	switch f.Method {
	case "GetJob":
		return raw(f, &pb.GetJobRequest{}, client.JobService.GetJob)
	case "ListJobs":
		return raw(f, &pb.ListJobsRequest{}, client.JobService.ListJobs)
	case "CreateJob":
		return raw(f, &pb.CreateJobRequest{}, client.JobService.CreateJob)
	case "PauseJob":
		return raw(f, &pb.PauseJobRequest{}, client.JobService.PauseJob)
	case "GetCapabilities":
		return raw(f, &pb.GetCapabilitiesRequest{}, client.SystemService.GetCapabilities)
	}
	return nil, driverError("raw " + f.Method + " is not offered")
}

func raw[Request, Answer proto.Message, Option any](
	f *fields, request Request, call func(context.Context, Request, ...Option) (Answer, error),
) (object, error) {
	if _, err := parsed(f.Request, request); err != nil {
		return nil, err
	}
	answer, err := call(context.Background(), request)
	if err != nil {
		return nil, longshore.Typed(err)
	}
	return fieldsOf(answer)
}

// Units

func parse(f *fields) (object, error) {
	if f.What == "duration" {
		found, err := longshore.ParseDuration(f.Text)
		return object{"value": decimal(found)}, err
	}
	read := longshore.ParseSize
	if f.What == "rate" {
		read = longshore.ParseRate
	}
	found, err := read(f.Text)
	return object{"value": fmt.Sprint(found)}, err
}

func decimal(duration *durationpb.Duration) string {
	text := fmt.Sprintf("%d.%09d", duration.GetSeconds(), duration.GetNanos())
	return strings.TrimRight(strings.TrimRight(text, "0"), ".")
}

func format(f *fields) (object, error) {
	value, err := strconv.ParseFloat(f.Value.String(), 64)
	if err != nil {
		return nil, err
	}
	switch f.What {
	case "size":
		return object{"text": longshore.FormatSize(value)}, nil
	case "rate":
		return object{"text": longshore.FormatRate(value)}, nil
	}
	seconds := int64(value)
	nanos := int32((value - float64(seconds)) * float64(time.Second))
	return object{"text": longshore.FormatDuration(&durationpb.Duration{Seconds: seconds, Nanos: nanos})}, nil
}
