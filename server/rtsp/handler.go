package rtsp

import (
	"context"
	"fmt"
	"strings"

	"github.com/bluenviron/gortsplib/v5"
	"github.com/bluenviron/gortsplib/v5/pkg/base"
	"go.uber.org/zap"
)

// gortsplib's callbacks. All but those for publishers (OnAnnounce, OnRecord) and for parameters are implemented: gortsplib writes to the standard
// log itself if OnPacketsLost, OnDecodeError or OnStreamWriteError is missing.
var (
	_ gortsplib.ServerHandlerOnConnOpen         = (*instance)(nil)
	_ gortsplib.ServerHandlerOnConnClose        = (*instance)(nil)
	_ gortsplib.ServerHandlerOnSessionOpen      = (*instance)(nil)
	_ gortsplib.ServerHandlerOnSessionClose     = (*instance)(nil)
	_ gortsplib.ServerHandlerOnRequest          = (*instance)(nil)
	_ gortsplib.ServerHandlerOnResponse         = (*instance)(nil)
	_ gortsplib.ServerHandlerOnDescribe         = (*instance)(nil)
	_ gortsplib.ServerHandlerOnSetup            = (*instance)(nil)
	_ gortsplib.ServerHandlerOnPlay             = (*instance)(nil)
	_ gortsplib.ServerHandlerOnPause            = (*instance)(nil)
	_ gortsplib.ServerHandlerOnPacketsLost      = (*instance)(nil)
	_ gortsplib.ServerHandlerOnDecodeError      = (*instance)(nil)
	_ gortsplib.ServerHandlerOnStreamWriteError = (*instance)(nil)
)

// OnConnOpen is called by gortsplib.
func (i *instance) OnConnOpen(*gortsplib.ServerHandlerOnConnOpenCtx) { i.conns.Add(1) }

// OnConnClose is called by gortsplib.
func (i *instance) OnConnClose(c *gortsplib.ServerHandlerOnConnCloseCtx) {
	i.conns.Add(-1)
	i.s.config.Log.Debug("rtsp: connection closed", zap.Stringer("address", c.Conn.NetConn().RemoteAddr()), zap.Error(c.Error))
}

// OnSessionOpen is called by gortsplib.
func (i *instance) OnSessionOpen(*gortsplib.ServerHandlerOnSessionOpenCtx) {}

// OnSessionClose is called by gortsplib.
func (i *instance) OnSessionClose(c *gortsplib.ServerHandlerOnSessionCloseCtx) {
	i.s.readers.remove(c.Session)
}

// OnRequest is called by gortsplib before anything else.
func (i *instance) OnRequest(c *gortsplib.ServerConn, r *base.Request) {
	i.s.guard.asked(c.NetConn())
	if r.Method != base.Setup {
		return
	}
	// For rtsp://host:port/, the base URL that gortsplib sends ends in //. GStreamer derives /trackID=0 from it and later sends PLAY for //, which
	// gortsplib then refuses as a different path.
	if r.URL != nil && strings.HasPrefix(r.URL.Path, "/trackID=") {
		r.URL.Path = "/" + r.URL.Path
	}
	// gortsplib delays GStreamer's SETUP by a second because of a bug in how GStreamer publishes; this server has no publishers.
	delete(r.Header, "User-Agent")
}

// OnResponse is called by gortsplib.
func (i *instance) OnResponse(_ *gortsplib.ServerConn, r *base.Response) {
	r.Header["Server"] = base.HeaderValue{"maixstream"}
}

// OnDescribe is called by gortsplib.
func (i *instance) OnDescribe(c *gortsplib.ServerHandlerOnDescribeCtx) (*base.Response, *gortsplib.ServerStream, error) {
	m, refusal := i.choose(c.Conn, c.Request, c.Path, c.Query)
	if refusal != nil {
		return refusal, nil, nil
	}
	if err := m.check(); err != nil {
		return &base.Response{StatusCode: base.StatusUnsupportedMediaType, StatusMessage: err.Error()}, nil, nil
	}
	return &base.Response{StatusCode: base.StatusOK}, i.streams[m], nil
}

// OnSetup is called by gortsplib.
func (i *instance) OnSetup(c *gortsplib.ServerHandlerOnSetupCtx) (*base.Response, *gortsplib.ServerStream, error) {
	m, refusal := i.choose(c.Conn, c.Request, c.Path, c.Query)
	if refusal != nil {
		return refusal, nil, nil
	}
	c.Session.SetUserData(setupOf{channelOf(c.Request)})
	return &base.Response{StatusCode: base.StatusOK}, i.streams[m], nil
}

// choose returns the stream that a request is for, or the reply that refuses it.
func (i *instance) choose(conn *gortsplib.ServerConn, request *base.Request, path, query string) (*media, *base.Response) {
	if refusal := i.admit(conn, request, query); refusal != nil {
		return nil, refusal
	}
	if m := i.s.mediaAt(path); m != nil {
		return m, nil
	}
	return nil, &base.Response{StatusCode: base.StatusNotFound, StatusMessage: fmt.Sprintf("no stream at %.40q; available: %s", path, i.s.mediaPaths())}
}

// OnPlay is called by gortsplib.
func (i *instance) OnPlay(c *gortsplib.ServerHandlerOnPlayCtx) (*base.Response, error) {
	m := i.s.mediaAt(c.Session.Path())
	if m == nil { // unreachable: OnSetup has refused it
		return &base.Response{StatusCode: base.StatusNotFound}, nil
	}
	from := c.Conn.NetConn().RemoteAddr()
	rd := &reader{session: c.Session, at: i, media: m, from: from.String(), sender: senderOf(addressOf(from))}
	switch before := c.Session.UserData().(type) {
	case setupOf:
		rd.setup = before
	case *reader: // resuming after PAUSE
		rd.setup, rd.player = before.setup, before.player
	}
	if m.play == nil || i.s.readers.plays(c.Session) {
		if refusal := i.s.readers.add(rd); refusal != "" {
			return &base.Response{StatusCode: base.StatusNotEnoughBandwidth, StatusMessage: refusal}, nil
		}
		return &base.Response{StatusCode: base.StatusOK}, nil
	}
	var ctx context.Context
	ctx, rd.stop = context.WithCancel(i.s.ctx)
	if refusal := i.s.readers.add(rd); refusal != "" {
		rd.stop()
		return &base.Response{StatusCode: base.StatusNotEnoughBandwidth, StatusMessage: refusal}, nil
	}
	p, started := i.newPlayer(c, rd)
	rd.player = p
	i.players.Go(func() { p.run(ctx, i.s.ctx, started, m.play) })
	return &base.Response{StatusCode: base.StatusOK}, nil
}

// OnPause is called by gortsplib.
func (i *instance) OnPause(c *gortsplib.ServerHandlerOnPauseCtx) (*base.Response, error) {
	i.s.readers.remove(c.Session)
	return &base.Response{StatusCode: base.StatusOK}, nil
}

// OnPacketsLost is called by gortsplib for packets that a reader sends: RTCP reports, which are not used.
func (i *instance) OnPacketsLost(*gortsplib.ServerHandlerOnPacketsLostCtx) {}

// OnDecodeError is called by gortsplib for packets that a reader sends: RTCP reports, which are not used.
func (i *instance) OnDecodeError(*gortsplib.ServerHandlerOnDecodeErrorCtx) {}

// OnStreamWriteError is called by gortsplib for each packet that does not fit into a reader's queue.
func (i *instance) OnStreamWriteError(c *gortsplib.ServerHandlerOnStreamWriteErrorCtx) {
	i.s.readers.missed(c.Session, c.Error)
}
