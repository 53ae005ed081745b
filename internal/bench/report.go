package bench

import "time"

// report computes the stages from the measurements. The pipeline has ended: the logs are complete.
func (r *run) report() {
	m, w := r.meter, r.window
	captures, encodes, published := w.of(m.captures...), w.of(m.encodes...), w.of(&m.published)
	seconds := w.seconds()
	perSecond := func(n int) float64 { return float64(n) / seconds }

	captureMicros, captureBytes := r.captured(captures)
	encodeMicros, encodeBytes := means(encodes)
	_, publishBytes := means(published)
	capture := Stage{
		Name: Capture, FPS: perSecond(len(captures)), MS: quantiles(tookOf(captures)), Bytes: captureBytes,
		CPUMicros: captureMicros, CPUPercent: captureMicros * perSecond(len(captures)) / 1e4,
	}
	encode := Stage{
		Name: Encode, FPS: perSecond(len(encodes)), MS: quantiles(tookOf(encodes)), Bytes: encodeBytes,
		CPUMicros: encodeMicros, CPUPercent: encodeMicros * perSecond(len(encodes)) / 1e4,
	}
	publish := Stage{Name: Publish, FPS: perSecond(len(published)), MS: quantiles(r.publishDelays(published)), Bytes: publishBytes}
	if a := r.alone; a != nil {
		capture.Allocs, capture.Copies = a.capture.allocsPerFrame(), a.copied
		capture.limit("one copy of its bytes", a.captureLimit, a.capture)
		encode.Allocs = a.encode.allocsPerFrame()
		encode.limit("libjpeg called straight with planar 4:2:0", a.encodeLimit, a.encode)
		publish.Allocs, publish.CPUMicros = a.publish.allocsPerFrame(), a.publish.micros()
		publish.CPUPercent = publish.CPUMicros * publish.FPS / 1e4
		publish.limit("one copy of its bytes", a.publishLimit, a.publish)
	}
	rest, restAllocs := r.rest(r.bareWindow, r.bareUse)
	r.result.Stages = append(r.result.Stages, capture)
	if len(encodes) > 0 {
		r.result.Stages = append(r.result.Stages, encode)
	}
	r.result.Stages = append(r.result.Stages, publish, Stage{
		Name: Rest, FPS: publish.FPS, CPUMicros: max(0, rest-publish.CPUMicros), CPUPercent: max(0, rest-publish.CPUMicros) * publish.FPS / 1e4,
		Allocs: max(0, restAllocs-capture.Allocs-encode.Allocs-publish.Allocs),
	})
	if r.Clients > 0 {
		r.result.Stages = append(r.result.Stages, r.deliver())
	}
	r.result.Threads = r.use.byName(len(published))
	r.result.Seconds, r.result.CPUPercent = seconds, 100*r.use.cpu.Seconds()/seconds
}

func (s *Stage) limit(what string, limit, own cost) {
	if limit.cpu > 0 && limit.frames > 0 && own.frames > 0 {
		s.Limit, s.LimitMicros, s.Ratio = what, limit.micros(), own.micros()/limit.micros()
	}
}

// captured returns the mean CPU time in µs, and the mean size, of frames read. A source measured alone is not measured again.
func (r *run) captured(marks []mark) (micros, bytes float64) {
	micros, bytes = means(marks)
	if r.alone != nil {
		micros = r.alone.capture.micros()
	}
	return micros, bytes
}

// rest returns the CPU time, in µs per published frame, and the allocations, of a window's frames outside of the source's reads and the encoders.
func (r *run) rest(w window, use spent) (micros, allocs float64) {
	captures, encodes := w.of(r.meter.captures...), w.of(r.meter.encodes...)
	capture, _ := r.captured(captures)
	encode, _ := means(encodes)
	n := float64(max(1, len(w.of(&r.meter.published))))
	return (float64(use.cpu)/1e3 - capture*float64(len(captures)) - encode*float64(len(encodes))) / n, float64(use.allocs) / n
}

// publishDelays returns the times from the end of a frame's encoding, or reading, to its publication: where frames wait for earlier ones.
func (r *run) publishDelays(published []mark) []time.Duration {
	done := map[uint64]time.Time{}
	for _, logs := range [][]*[]mark{r.meter.captures, r.meter.encodes} { // the encoder's time replaces the source's
		for _, l := range logs {
			for i := range *l {
				done[(*l)[i].number] = (*l)[i].end
			}
		}
	}
	var delays []time.Duration
	for i := range published {
		if t, ok := done[published[i].number]; ok {
			delays = append(delays, published[i].end.Sub(t))
		}
	}
	return delays
}

func (r *run) deliver() Stage {
	d := &r.delivered
	frames := float64(max(1, d.frames))
	s := Stage{Name: Deliver, FPS: float64(d.frames) / d.seconds, Bytes: float64(d.bytes) / frames, CPUMicros: r.served.micros, Allocs: r.served.allocs}
	s.CPUPercent = s.CPUMicros * s.FPS / 1e4
	when := map[uint64]time.Time{}
	for i := range r.meter.published {
		when[r.meter.published[i].sequence] = r.meter.published[i].end
	}
	var delays []time.Duration
	for _, a := range d.arrivals {
		if t, ok := when[a.sequence]; ok {
			delays = append(delays, max(0, a.at.Sub(t.Round(0)))) // wall clock: the viewers are another process
		}
	}
	s.MS = quantiles(delays)
	if r.bare.micros > 0 {
		s.Limit, s.LimitMicros, s.Ratio = "a bare epoll and writev loop", r.bare.micros, s.CPUMicros/r.bare.micros
	}
	r.result.Verified, r.result.Skipped = d.frames, d.skipped
	return s
}
