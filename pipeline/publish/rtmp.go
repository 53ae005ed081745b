//go:build !nopublish

package publish

import (
	"context"
	"fmt"
	"net"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/bluenviron/gortmplib"
	"github.com/bluenviron/gortmplib/pkg/amf0"
	"github.com/bluenviron/gortmplib/pkg/codecs"
	"github.com/bluenviron/gortmplib/pkg/message"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"

	"github.com/maixstream/maixstream/pipeline/video"
)

// rtmp is a connection to an RTMP server.
type rtmp struct {
	app    string
	client *gortmplib.Client
	turns  *turnConn
	track  *gortmplib.Track
	writer *gortmplib.Writer
	au     [][]byte // scratch
}

// connectRTMP connects and asks to publish; the server has said yes when it returns.
func connectRTMP(ctx context.Context, d dialer) (connection, error) {
	t := d.target
	r := &rtmp{app: strings.TrimPrefix(t.url.Path, "/")}
	at := *t.url
	at.Fragment = t.key // where the library has it
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		conn, err := d.dial(ctx)
		if err != nil {
			return nil, err
		}
		r.turns = &turnConn{Conn: conn}
		return r.turns, nil
	}
	r.client = &gortmplib.Client{URL: &at, Publish: true, DialContext: dial}
	if t.secure() {
		r.client.DialTLSContext = dial
	}
	if err := r.client.Initialize(ctx); err != nil {
		return nil, r.explain(err)
	}
	return r, nil
}

// turnConn makes a library safe that answers a server's messages while it reads them, on the connection that another goroutine writes to: between the return of
// a Read and the next one the turn is the reader's.
type turnConn struct {
	net.Conn
	turn   sync.Mutex // held by the reader while it works on what it has read, and by the writer while it writes
	reader bool       // the reader holds turn; its own
}

func (c *turnConn) Read(b []byte) (int, error) {
	if c.reader {
		c.reader = false
		c.turn.Unlock()
	}
	n, err := c.Conn.Read(b)
	c.turn.Lock()
	c.reader = true
	return n, err
}

// done ends the reader's turn; it reads no more.
func (c *turnConn) done() {
	if c.reader {
		c.reader = false
		c.turn.Unlock()
	}
}

// begin implements connection.
func (r *rtmp) begin(_ context.Context, parameters *video.Parameters) error {
	return r.change(parameters, 0)
}

// change sends the stream's description, which a server takes at any time.
func (r *rtmp) change(parameters *video.Parameters, at time.Duration) error {
	r.turns.turn.Lock()
	defer r.turns.turn.Unlock()
	r.track = &gortmplib.Track{Codec: &codecs.H264{SPS: parameters.SPS, PPS: parameters.PPS}}
	r.writer = &gortmplib.Writer{Conn: &describer{r.client, parameters, at}, Tracks: []*gortmplib.Track{r.track}}
	return r.writer.Initialize()
}

// describer corrects what the library says of a stream: there is no sound, the size is known, and a description in the middle has its time, too.
type describer struct {
	*gortmplib.Client
	parameters *video.Parameters
	at         time.Duration
}

// Write implements gortmplib.Conn.
func (d *describer) Write(m message.Message) error {
	switch m := m.(type) {
	case *message.DataAMF0:
		m.Payload[len(m.Payload)-1] = amf0.Object{
			{Key: "width", Value: float64(d.parameters.Width)},
			{Key: "height", Value: float64(d.parameters.Height)},
			{Key: "videocodecid", Value: float64(message.CodecH264)},
			{Key: "encoder", Value: "maixstream"},
		}
	case *message.Video:
		if m.Type == message.VideoTypeConfig {
			m.DTS = d.at
		}
	}
	return d.Client.Write(m)
}

// write implements connection. Parameter sets are in the description.
func (r *rtmp) write(u *video.Unit, at time.Duration) error {
	r.au = r.au[:0]
	for nal := range u.NALs {
		if kind := h264.NALUType(nal[0] & 0x1f); kind != h264.NALUTypeSPS && kind != h264.NALUTypePPS {
			r.au = append(r.au, nal)
		}
	}
	r.turns.turn.Lock()
	defer r.turns.turn.Unlock()
	return r.writer.WriteH264(r.track, at+u.Meta().Shown, at, r.au)
}

// keep implements connection. An acknowledgement may be sent at any time.
func (r *rtmp) keep(time.Duration) error {
	r.turns.turn.Lock()
	defer r.turns.turn.Unlock()
	return r.client.Write(&message.Acknowledge{Value: uint32(r.client.BytesReceived())}) // it wraps by design
}

// wait reads what the server says; it must, as the server can stall otherwise.
func (r *rtmp) wait() error {
	defer r.turns.done()
	for {
		m, err := r.client.Read()
		if err != nil {
			if hungUp(err) {
				err = errClosed
			}
			return err
		}
		if c, ok := m.(*message.CommandAMF0); ok && (c.Name == "onStatus" || c.Name == "_error") {
			if err := refusal(c.Arguments); err != nil {
				return err
			}
		}
	}
}

func (r *rtmp) close() { r.client.Close() }

// refusal returns a server's message as an error if it is one.
func refusal(arguments amf0.Data) error {
	for _, a := range arguments {
		info, ok := a.(amf0.Object)
		if list, is := a.(amf0.ECMAArray); is {
			info, ok = amf0.Object(list), true
		}
		if !ok {
			continue
		}
		if level, _ := info.GetString("level"); level == "error" {
			code, _ := info.GetString("code")
			description, _ := info.GetString("description")
			return said(code, description)
		}
	}
	return nil
}

func said(code, description string) error {
	text := strings.TrimSpace(description)
	switch {
	case text == "":
		text = code
	case code != "":
		text += " (" + code + ")"
	}
	return &saidError{"the server said: " + oneLine(text)}
}

// oneLine is a text from outside as it may be logged.
func oneLine(text string) string {
	const most = 200
	text = strings.ToValidUTF8(strings.Join(strings.Fields(text), " "), "?")
	if runes := []rune(text); len(runes) > most {
		text = string(runes[:most]) + "…"
	}
	return text
}

// A refused request is an error of the library with the whole message in it.
var (
	refusedText     = regexp.MustCompile(`^bad result: `)
	descriptionText = regexp.MustCompile(`\{description (.*?)\}(?: \{|\])`)
	codeText        = regexp.MustCompile(`\{code ([\w.]+)\}`)
)

// explain says what it means that a server does not let publish.
func (r *rtmp) explain(err error) error {
	text := err.Error()
	switch {
	case refusedText.MatchString(text):
		var what [2]string
		for i, e := range []*regexp.Regexp{codeText, descriptionText} {
			if m := e.FindStringSubmatch(text); m != nil {
				what[i] = m[1]
			}
		}
		if what == [2]string{} {
			return &saidError{"the server refused"}
		}
		return said(what[0], what[1])
	case hungUp(err):
		return fmt.Errorf("%w: is there an application %q, and is the stream key right?", errClosed, r.app)
	}
	return err
}
