package rtsp

// Offered lists the credentials in a request's Authorization headers and query, each as user, password, token.
func Offered(authorization []string, query string) (list [][3]string) {
	for _, c := range offered(authorization, query) {
		list = append(list, [3]string{c.user, c.password, c.token})
	}
	return list
}
