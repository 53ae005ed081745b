package stream

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"github.com/maixstream/maixstream/pipeline"
)

// Each field of a pipeline's state, filled with a unique value, appears under a unique key.
func TestStateShowsAllPipelineFields(t *testing.T) {
	var s pipeline.State
	n := 0
	fill(reflect.ValueOf(&s).Elem(), &n)
	var got, want []any
	leaves(reflect.ValueOf(s), &want)
	leaves(reflect.ValueOf(shapeOf(&s)), &got)
	if !reflect.DeepEqual(got, want) {
		t.Errorf("shape\n%v, state\n%v", got, want)
	}
}

// Other people's programs read these keys.
func TestStateKeys(t *testing.T) {
	text, err := json.Marshal(shapeOf(&pipeline.State{}))
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"source":{"name":"","kind":"","width":0,"height":0,"fps":0},"encoder":"","workers":0,"signal":false,"idle":false,` +
		`"captured_fps":0,"wanted_fps":0,"fps":0,"bytes_per_second":0,"encode_ms":{"p50":0,"p95":0,"p99":0},"captured":0,"published":0,` +
		`"dropped":{"rate":0,"encoder":0,"ring":0,"broken":0,"missed":0},"restarts":0,` +
		`"newest":{"sequence":0,"captured":"0001-01-01T00:00:00Z","width":0,"height":0,"quality":0,"bytes":0},` +
		`"settings":{"quality":0,"fps":0,"width":0,"height":0,"mirror":false,"flip":false,"rotate":0,"bitrate":0,"gop":0,"overlay":""},` +
		`"can":{"quality":false,"fps":false,"orient":false,"rotate":false,"overlay":false,"sizes":null},"controls_version":0}`
	if string(text) != want {
		t.Errorf("%s\nwant\n%s", text, want)
	}
}

// fill gives each field a unique value.
func fill(v reflect.Value, n *int) {
	*n++
	switch v.Kind() {
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(time.Unix(int64(*n), 0).UTC()))
			return
		}
		for i := range v.NumField() {
			fill(v.Field(i), n)
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fill(v.Index(0), n)
		fill(v.Index(1), n)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), n)
	case reflect.String:
		v.SetString(time.Unix(int64(*n), 0).String())
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Float64:
		v.SetFloat(float64(*n))
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(*n))
	case reflect.Uint64:
		v.SetUint(uint64(*n))
	default:
		panic("a field of the kind " + v.Kind().String())
	}
}

// leaves appends the values of all fields, in order.
func leaves(v reflect.Value, list *[]any) {
	switch v.Kind() {
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			*list = append(*list, v.Interface())
			return
		}
		for i := range v.NumField() {
			leaves(v.Field(i), list)
		}
	case reflect.Slice:
		for i := range v.Len() {
			leaves(v.Index(i), list)
		}
	case reflect.Pointer:
		if !v.IsNil() {
			leaves(v.Elem(), list)
		}
	default:
		*list = append(*list, v.Interface())
	}
}
